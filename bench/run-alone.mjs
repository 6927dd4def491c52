// Runs alone.mjs in a fresh process.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const script = fileURLToPath(new URL('./alone.mjs', import.meta.url));

/** @param options { work, steps } and options of startOurs; @returns { compileSeconds, compileProcessorSeconds, peakBytes } */
export async function runAlone({ work, steps = 0, plan = 'fixed', ...options }) {
  const { stdout } = await run(process.execPath, [script, JSON.stringify({ work, steps, plan, ...options })]);
  // TF.js greets on stdout.
  return JSON.parse(stdout.slice(stdout.lastIndexOf('{"compileSeconds"')));
}
