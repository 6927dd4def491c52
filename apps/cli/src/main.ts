/** The process of the command line: runs one command and ends with its exit code. */
import { createRequire } from 'node:module';
import { type Command, CommanderError } from 'commander';
import { z } from 'zod';
import { BadResult, describeFailure, exitCodeOf, toProblem } from './output/failure.js';
import { createProgram } from './program.js';

const Manifest = z.object({ version: z.string() });
const { version } = Manifest.parse(createRequire(import.meta.url)('../package.json'));

const json = process.argv.includes('--json');

/** Errors come back here instead of ending the process; with --json commander's own text stays unsaid. */
function prepare(command: Command): void {
  command.exitOverride();
  if (json) command.configureOutput({ writeErr: () => undefined });
  for (const inner of command.commands) prepare(inner);
}

// `rela … | head` closes the pipe: there is nobody left to write to.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

const program = createProgram(version);
prepare(program);
try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = exitCodeOf(error);
  // Commander has shown help, the version and its own complaints already; a bad result was shown with the result.
  const shown =
    error instanceof BadResult || (error instanceof CommanderError && (!json || error.exitCode === 0));
  if (!shown)
    process.stderr.write(`${json ? JSON.stringify(toProblem(error), null, 2) : describeFailure(error)}\n`);
}
