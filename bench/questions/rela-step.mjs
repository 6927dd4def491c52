// What does a step with the ReLA loss cost of a BYOL step, of the demo's network? In our engine, in PyTorch, and in operations.
import { startOurs, THREADS } from '../ours.mjs';
import { inTurn } from '../pairs.mjs';
import { startTorch } from '../torch.mjs';

const PAIRS = 20;
const work = { model: 'resnet18-narrow', size: 28, channels: 1, stem: 'modified', batch: 128 };

async function compared(name, start, say) {
  const rela = await start({ ...work, kind: 'rela' });
  const byol = await start({ ...work, kind: 'byol' });
  try {
    const timing = await inTurn(rela.step, byol.step, {
      pairs: PAIRS,
      say: (text) => say(`${name} ${text}`),
    });
    return { timing: { name, unit: 's', ...timing }, flops: [rela.flops, byol.flops] };
  } finally {
    for (const side of [rela, byol]) await side.stop();
  }
}

export async function measure(say) {
  const ours = await compared('ours', (one) => startOurs(one), say);
  const torch = await compared('PyTorch', (one) => startTorch({ ...one, threads: THREADS }), say);
  const [value, reference] = ours.flops.map((flops) => flops / 1e9);
  const operations = {
    name: 'operations',
    unit: 'GFLOP',
    value,
    reference,
    ratio: value / reference,
    lowerQuartile: null,
    samples: 1,
  };
  return [ours.timing, torch.timing, operations];
}
