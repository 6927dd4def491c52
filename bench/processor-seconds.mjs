/** Processor seconds of this process since `before`, a reading of process.cpuUsage(). */
export function processorSeconds(before) {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}
