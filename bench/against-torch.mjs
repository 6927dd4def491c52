// One case of a bench: a training step of ours and PyTorch's, in turn.
import { startOurs, THREADS } from './ours.mjs';
import { inTurn } from './pairs.mjs';
import { startTorch } from './torch.mjs';

/** @param work { kind, model, size, channels, stem, batch } */
export async function stepAgainstTorch(name, work, { pairs, say }) {
  const torch = await startTorch({ ...work, threads: THREADS });
  say(`${name}: PyTorch is fastest with ${torch.setting}`);
  const ours = await startOurs(work);
  try {
    const timing = await inTurn(ours.step, torch.step, {
      pairs,
      say: (text) => say(`${name} ${text}`),
    });
    return {
      name,
      unit: 's',
      ...timing,
      peer: `PyTorch, ${torch.setting}`,
      gflops: ours.flops / timing.value / 1e9,
    };
  } finally {
    await ours.stop();
    torch.stop();
  }
}
