// `npm test`: prepares the clone, runs every test, and ends with the line `N passed, N failed, N skipped`.
// Arguments go to vitest: `npm test -- packages/prior`.
import { runPrepared } from '../demo/prepare.mjs';

/** Tests over all projects. A file that cannot be run, or an error outside of a test, counts as a failure. */
function count(vitest) {
  const counts = { passed: 0, failed: vitest.state.getUnhandledErrors().length, skipped: 0 };
  for (const file of vitest.state.getTestModules()) {
    counts.failed += file.errors().length;
    for (const test of file.children.allTests()) {
      const { state } = test.result();
      counts[state === 'passed' || state === 'failed' ? state : 'skipped'] += 1;
    }
  }
  return counts;
}

await runPrepared(async () => {
  const { parseCLI, startVitest } = await import('vitest/node');
  const { filter, options } = parseCLI(['vitest', 'run', ...process.argv.slice(2)]);
  const vitest = await startVitest('test', filter, { ...options, watch: false, run: true });
  const { passed, failed, skipped } = count(vitest);
  await vitest.close();
  if (failed > 0 || passed === 0) process.exitCode = 1;
  // A handle that a test left open must not keep a machine waiting.
  process.stdout.write(`${passed} passed, ${failed} failed, ${skipped} skipped\n`, () => process.exit());
});
