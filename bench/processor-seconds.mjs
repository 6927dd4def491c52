import { readFileSync } from 'node:fs';

/** Processor seconds of this process since `before`, a reading of process.cpuUsage(). */
export function processorSeconds(before) {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

const TICKS_A_SECOND = 100;

/** Processor seconds of all processes of the machine since it started; null where the system does not tell. */
function machineSeconds() {
  try {
    const [line] = readFileSync('/proc/stat', 'utf8').split('\n');
    const [user, nice, system, , , interrupts, softInterrupts] = line
      .trim()
      .split(/\s+/)
      .slice(1)
      .map(Number);
    return (user + nice + system + interrupts + softInterrupts) / TICKS_A_SECOND;
  } catch {
    return null;
  }
}

/** Begins to look at what other processes use. @returns a function that tells how many processors it was on the mean since then, or null */
export function watchOthers() {
  const [began, machine, own] = [performance.now(), machineSeconds(), process.cpuUsage()];
  return () => {
    if (machine === null) return null;
    const used = machineSeconds() - machine - processorSeconds(own);
    return Math.max(0, used / ((performance.now() - began) / 1000));
  };
}
