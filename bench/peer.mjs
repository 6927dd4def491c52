// A peer in a process of its own: it says what it is in one line of JSON, then makes a step for every line that it is sent.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

/**
 * @param command program and arguments
 * @param name for the error where it ends too soon
 * @returns { told, peakBytes, ask, step, stop }: `told` is what it said first
 */
export async function startPeer([program, ...args], name) {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const read = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`${name} ended before it had an answer.`);
    return JSON.parse(value);
  };
  const ask = () => {
    child.stdin.write('step\n');
    return read();
  };
  return {
    told: await read(),
    /** Peak resident memory so far. */
    peakBytes: () =>
      Number(readFileSync(`/proc/${child.pid}/status`, 'utf8').match(/VmHWM:\s+(\d+) kB/)[1]) * 1024,
    /** All that it says of one step. */
    ask,
    /** Seconds of one step. */
    step: async () => (await ask()).seconds,
    stop: () => child.stdin.end(),
  };
}
