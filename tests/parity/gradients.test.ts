/** Gradients held to PyTorch's: a fast path is one only where it is at most twice as far from float64 as PyTorch's own float32. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Training } from '@rela/contracts';
import { createEngine, type HostTensors } from '@rela/engine';
import { createTrainingPlan } from '@rela/learning';
import { createRandom } from '@rela/random';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { distance, type GradientWork, gradientsOf, torchGradients } from '../torch/gradients.js';
import { findTorch } from '../torch/torch.js';

/** Which ReLU float32's rounding turns is chance: of several draws of weights and batches the middle one counts. */
const SEEDS = [1, 2, 3, 4, 5];
const TIMES = 2;
const CLASSES = 10;
/** Its last stage has the channels from which on the default plan takes Winograd's tiles. */
const MODEL = 'resnet18-narrow';
const IMAGE = { size: 32, channels: 3 };

const python = await findTorch();
const name = python ? '' : ' (no Python with PyTorch here)';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rela-gradients-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function workOf(seed: number): GradientWork {
  const training = Training.parse({
    method: { name: 'supervised' },
    backbone: { name: MODEL, stem: 'modified' },
    batchSize: 16,
    seed,
  });
  const plan = createTrainingPlan({ training, image: IMAGE, classes: CLASSES, k: null });
  const batch: HostTensors = { ...plan.scalars(1) };
  const { view1, labels } = plan.batchSpecs('method');
  const random = createRandom(seed, 'batch');
  const pixels = { length: 16 * IMAGE.size ** 2 * IMAGE.channels };
  batch.view1 = { ...view1!, data: Float32Array.from(pixels, () => random.normal()) };
  batch.labels = { ...labels!, data: Int32Array.from({ length: 16 }, () => random.int(CLASSES)) };
  return { plan, batch, model: MODEL, channels: IMAGE.channels, stem: 'modified', threads: 1 };
}

it.skipIf(!python)(
  `gives gradients at most ${TIMES} times as far from float64 as PyTorch's float32, by the default plan${name}`,
  async () => {
    const engine = await createEngine({ engine: 'compiled' });
    const ratios: number[] = [];
    for (const seed of SEEDS) {
      const work = workOf(seed);
      const { float64, float32 } = await torchGradients(python!, folder, work);
      const ours = distance(await gradientsOf(engine, work), float64);
      ratios.push(ours.distance / distance(float32, float64).distance);
    }
    await engine.dispose();
    ratios.sort((a, b) => a - b);
    expect(ratios[2]).toBeLessThanOrEqual(TIMES);
  },
);
