// PyTorch as the peer: a process of its own that makes steps when it is told to.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(new URL('./torch/steps.py', import.meta.url));
const CANDIDATES = ['python3', '/usr/bin/python3'];

function answers(python) {
  return new Promise((resolve) => {
    const child = spawn(python, ['-c', 'import torch'], { stdio: 'ignore' });
    child.once('error', () => resolve(false));
    child.once('exit', (code) => resolve(code === 0));
  });
}

async function findTorch() {
  for (const python of CANDIDATES) if (await answers(python)) return python;
  throw new Error('There is no Python with PyTorch here. On Debian: apt-get install python3-torch');
}

/** @param work what steps.py reads: { kind, model, size, channels, batch, threads } */
export async function startTorch(work) {
  const child = spawn(await findTorch(), [script, JSON.stringify(work)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const read = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error('PyTorch ended before it had an answer.');
    return JSON.parse(value);
  };
  const { setting } = await read();
  return {
    /** Peak resident memory so far. */
    peakBytes: () =>
      Number(readFileSync(`/proc/${child.pid}/status`, 'utf8').match(/VmHWM:\s+(\d+) kB/)[1]) * 1024,
    /** Which of its settings was the fastest. */
    setting,
    /** Seconds of one step. */
    async step() {
      child.stdin.write('step\n');
      return (await read()).seconds;
    },
    stop: () => child.stdin.end(),
  };
}
