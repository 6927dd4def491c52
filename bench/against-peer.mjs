// One case of a bench: a training step of ours and a peer's, in turn.
import { startOurs, THREADS } from './ours.mjs';
import { inTurn } from './pairs.mjs';
import { startTfjs } from './tfjs.mjs';
import { startTorch } from './torch.mjs';

/** How each peer is started, with the threads that it gets. */
const PEERS = {
  PyTorch: (work) => startTorch({ ...work, threads: THREADS }),
  'TF.js': startTfjs,
};

/** @param work { kind, model, size, channels, stem, batch }; @param options.peer a name of PEERS, and how inTurn counts */
export async function stepAgainst(name, work, { peer: peerName, say, ...counts }) {
  const peer = await PEERS[peerName](work);
  say(`${name}: ${peerName} runs with ${peer.setting}`);
  const ours = await startOurs(work);
  try {
    const timing = await inTurn(ours.step, peer.step, {
      ...counts,
      say: (text) => say(`${name} ${text}`),
    });
    return {
      name,
      unit: 's',
      ...timing,
      peer: `${peerName}, ${peer.setting}`,
      gflops: ours.flops / timing.value / 1e9,
    };
  } finally {
    await ours.stop();
    peer.stop();
  }
}

export const stepAgainstTorch = (name, work, options) =>
  stepAgainst(name, work, { peer: 'PyTorch', ...options });
export const stepAgainstTfjs = (name, work, options) =>
  stepAgainst(name, work, { peer: 'TF.js', ...options });
