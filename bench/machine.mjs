// What a figure was measured on: ratios travel, absolute numbers do not.
import { availableParallelism, cpus, platform, release, totalmem } from 'node:os';

const GIB = 1024 ** 3;

/** Those that this process may use, which are fewer than the machine's where it was started on some of them (`taskset`). */
export const PROCESSORS = availableParallelism();

export function machine() {
  const [cpu] = cpus();
  return {
    cpu: cpu?.model ?? 'unknown',
    processors: PROCESSORS,
    memoryGiB: Math.round(totalmem() / GIB),
    system: `${platform()} ${release()}`,
    node: process.version,
  };
}
