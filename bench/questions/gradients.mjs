// How exact are the gradients of a compiled step? Their distance from float64, the worst relative L2 norm over the parameters, against
// that of PyTorch's own float32: ResNet-18 on 32 px, batch 32. A plan whose ratio is above 2 is no plan.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEngine } from '@rela/engine';
import { distance, gradientsOf, torchGradients } from '../../tests/torch/gradients.js';
import { THREADS } from '../ours.mjs';
import { quantile } from '../pairs.mjs';
import { requireTorch } from '../torch.mjs';
import { batchOf, planOf, RESNET18 } from '../work.mjs';

/** Weights and batches; which ReLU a rounding error turns is chance, so that one says little. */
const SEEDS = [1, 2, 3];
const work = { ...RESNET18, batch: 32 };

/** Keys of 3×3 convolutions of stride 1, which can be Winograd's: nothing before the sides, nothing behind the filters. */
const IN_TILES = /^\d+×\d+×\d+ \d+→\d+$/;

/** The fixed plan with this kernel for every convolution that can be Winograd's. */
async function everywhere(kernel, { plan, phase }) {
  const engine = await createEngine({ engine: 'compiled', threads: THREADS });
  const step = await engine.compile(plan.step(phase), plan.initialState(), plan.batchSpecs(phase));
  await step.dispose();
  await engine.dispose();
  const kernels = Object.entries(step.plan).map(([op, fixed]) => [op, IN_TILES.test(op) ? kernel : fixed]);
  return Object.fromEntries(kernels);
}

export async function measure(say) {
  const python = await requireTorch();
  const options = {
    fixed: { plan: 'fixed' },
    'fixed, strict': { plan: 'fixed', precision: 'strict' },
    'no Winograd': { plan: await everywhere('direct', planOf(work)) },
    'Winograd of 4 everywhere': { plan: await everywhere('winograd4', planOf(work)) },
  };
  const found = Object.fromEntries(Object.keys(options).map((name) => [name, []]));
  const folder = await mkdtemp(join(tmpdir(), 'rela-bench-'));
  try {
    for (const seed of SEEDS) {
      const planned = planOf({ ...work, seed });
      const one = { ...work, plan: planned.plan, batch: batchOf(planned, seed), threads: THREADS };
      const { float64, float32 } = await torchGradients(python, folder, one);
      const theirs = distance(float32, float64);
      for (const [name, option] of Object.entries(options)) {
        const engine = await createEngine({ engine: 'compiled', threads: THREADS, ...option });
        const ours = distance(await gradientsOf(engine, one), float64);
        await engine.dispose();
        found[name].push([ours.distance, theirs.distance]);
        const told = [ours, theirs].map((side) => `${side.distance.toExponential(2)} at ${side.parameter}`);
        say(`${name}, seed ${seed}: ${told.join(' against ')}`);
      }
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return Object.entries(found).map(([name, pairs]) => {
    const of = (values, share = 0.5) => quantile(values, share);
    const ratios = pairs.map(([ours, theirs]) => ours / theirs);
    return {
      name,
      unit: 'of the norm',
      value: of(pairs.map(([ours]) => ours)),
      reference: of(pairs.map(([, theirs]) => theirs)),
      ratio: of(ratios),
      lowerQuartile: of(ratios, 0.25),
      largest: Math.max(...ratios),
      samples: pairs.length,
      dropped: 0,
      peer: 'PyTorch in float32',
    };
  });
}
