// PyTorch as the peer: a process of its own that makes steps when it is told to.
import { fileURLToPath } from 'node:url';
import { findTorch } from '../tests/torch/torch.js';
import { startPeer } from './peer.mjs';

const script = fileURLToPath(new URL('./torch/steps.py', import.meta.url));

/** @throws where there is none */
export async function requireTorch() {
  const python = await findTorch();
  if (python === null)
    throw new Error('There is no Python with PyTorch here. On Debian: apt-get install python3-torch');
  return python;
}

/**
 * @param work what steps.py reads: { kind, model, size, channels, batch, threads }
 * @returns a peer, and as `setting` which of its settings was the fastest
 */
export async function startTorch(work) {
  const peer = await startPeer([await requireTorch(), script, JSON.stringify(work)], 'PyTorch');
  return { ...peer, setting: peer.told.setting };
}
