// How much memory does a training step of ResNet-18 take? Peak resident memory of a process that does nothing else, and PyTorch's.

import { THREADS } from '../ours.mjs';
import { quantile } from '../pairs.mjs';
import { runAlone } from '../run-alone.mjs';
import { startTorch } from '../torch.mjs';
import { RESNET18 } from '../work.mjs';

const STEPS = 4;
const ROUNDS = 3;
const MIB = 1024 ** 2;

/** In its fastest layout, and in one only: trying several would count their memory too. */
async function torchPeak(batch) {
  const torch = await startTorch({ ...RESNET18, batch, threads: THREADS, layouts: ['channels_last'] });
  for (let step = 0; step < STEPS; step++) await torch.step();
  const bytes = torch.peakBytes();
  torch.stop();
  return bytes;
}

export async function measure(say) {
  const cases = [];
  for (const batch of [32, 128]) {
    const pairs = [];
    for (let round = 0; round < ROUNDS; round++) {
      const { peakBytes } = await runAlone({ work: { ...RESNET18, batch }, steps: STEPS });
      pairs.push([peakBytes / MIB, (await torchPeak(batch)) / MIB]);
      say(
        `batch ${batch}: ${pairs
          .at(-1)
          .map((mib) => mib.toFixed(0))
          .join(' against ')} MiB`,
      );
    }
    const of = (values, share = 0.5) => quantile(values, share);
    const ratios = pairs.map(([a, b]) => a / b);
    cases.push({
      name: `batch ${batch}`,
      unit: 'MiB',
      value: of(pairs.map(([a]) => a)),
      reference: of(pairs.map(([, b]) => b)),
      ratio: of(ratios),
      lowerQuartile: of(ratios, 0.25),
      samples: ROUNDS,
      dropped: 0,
    });
  }
  return cases;
}
