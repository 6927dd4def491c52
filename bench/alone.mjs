// Our side in a process of its own: compiles, makes some steps, prints what it took as JSON. Called by the questions that need it fresh.
import { readFileSync } from 'node:fs';
import { startOurs } from './ours.mjs';
import { processorSeconds } from './processor-seconds.mjs';

const { work, steps, ...options } = JSON.parse(process.argv[2]);

/** Peak resident bytes; null where the system does not tell. */
function peak() {
  try {
    return Number(readFileSync('/proc/self/status', 'utf8').match(/VmHWM:\s+(\d+) kB/)[1]) * 1024;
  } catch {
    return null;
  }
}

const before = process.cpuUsage();
const ours = await startOurs(work, options);
const compileProcessorSeconds = processorSeconds(before);
for (let step = 0; step < steps; step++) await ours.step();
process.stdout.write(
  JSON.stringify({ compileSeconds: ours.compileSeconds, compileProcessorSeconds, peakBytes: peak() }),
);
process.exit();
