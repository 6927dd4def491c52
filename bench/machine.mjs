// What a figure was measured on: ratios travel, absolute numbers do not.
import { cpus, platform, release, totalmem } from 'node:os';

const GIB = 1024 ** 3;

export function machine() {
  const [cpu] = cpus();
  return {
    cpu: cpu?.model ?? 'unknown',
    processors: cpus().length,
    memoryGiB: Math.round(totalmem() / GIB),
    system: `${platform()} ${release()}`,
    node: process.version,
  };
}
