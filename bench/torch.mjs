// PyTorch as the peer: a process of its own that makes steps when it is told to.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { startPeer } from './peer.mjs';

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

/**
 * @param work what steps.py reads: { kind, model, size, channels, batch, threads }
 * @returns a peer, and as `setting` which of its settings was the fastest
 */
export async function startTorch(work) {
  const peer = await startPeer([await findTorch(), script, JSON.stringify(work)], 'PyTorch');
  return { ...peer, setting: peer.told.setting };
}
