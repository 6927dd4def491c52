/** Training held to PyTorch: the same first weights and batches, two programs, the same losses and weights. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { OptimizerSpec, Training } from '@rela/contracts';
import { createEngine, type HostTensors } from '@rela/engine';
import { createTrainingPlan, type Phase, type TrainingPlan } from '@rela/learning';
import { createRandom } from '@rela/random';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { findTorch, readTensors, runPython, writeTensors } from '../torch/torch.js';

const STEPS = 10;
const BATCH = 16;
const IMAGE = { size: 16, channels: 1 };
const SCRIPT = fileURLToPath(new URL('byol_rela.py', import.meta.url));
const K = 64;

const python = await findTorch();
const name = python ? '' : ' (no Python with PyTorch here)';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rela-parity-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/**
 * With AdamW's usual ε its first steps are the signs of the gradients, and a gradient near 0 may have either by rounding alone:
 * with a larger one the steps are smooth in the gradients.
 */
const OPTIMIZER = OptimizerSpec.parse({ epsilon: 1e-2 });

function planOf(phase: Phase): TrainingPlan {
  const training = Training.parse({
    optimizer: OPTIMIZER,
    method: { name: 'byol' },
    batchSize: BATCH,
    seed: 5,
    rela: phase === 'rela' ? {} : null,
  });
  return createTrainingPlan({ training, image: IMAGE, classes: null, k: phase === 'rela' ? K : null });
}

/** Normal numbers; the second view is near the first, as views of an image are. */
function batchOf(specs: ReturnType<TrainingPlan['batchSpecs']>, step: number): HostTensors {
  const batch: HostTensors = {};
  const shared = createRandom(step, 'images');
  const first = Float32Array.from({ length: BATCH * IMAGE.size ** 2 }, () => shared.normal());
  for (const [key, spec] of Object.entries(specs)) {
    if (spec.shape.length === 0) continue;
    const random = createRandom(step, key);
    const size = spec.shape.reduce((product, side) => product * side, 1);
    const base = key.startsWith('view') ? first : new Float32Array(size);
    batch[key] = { ...spec, data: base.map((value) => value + 0.5 * random.normal()) };
  }
  return batch;
}

/** ‖Δa − Δb‖ / ‖Δb‖ over all tensors, Δ being the way from `start`. Biases alone are too near 0 to tell a share of. */
function apart(a: HostTensors, b: Map<string, Float32Array>, start: HostTensors): number {
  let [difference, length] = [0, 0];
  for (const [key, values] of b) {
    const [ours, first] = [a[key]!.data, start[key]!.data];
    for (const [index, value] of values.entries()) {
      difference += (ours[index]! - value) ** 2;
      length += (value - first[index]!) ** 2;
    }
  }
  return Math.sqrt(difference / length);
}

it.skipIf(!python).for(['method', 'rela'] as const)(
  `trains BYOL and towards targets as PyTorch does: the %s loss and the weights of ${STEPS} steps${name}`,
  async (phase) => {
    const plan = planOf(phase);
    const specs = plan.batchSpecs(phase);
    const engine = await createEngine({ engine: 'compiled' });
    const start = plan.initialState();
    await writeTensors(folder, 'start', start);
    const step = await engine.compile(plan.step(phase), start, specs);
    const losses: number[] = [];
    const batches: Buffer[] = [];
    for (let number = 1; number <= STEPS; number++) {
      const batch = batchOf(specs, number);
      for (const key of ['view1', 'view2', 'targets'])
        if (batch[key]) batches.push(Buffer.from(batch[key].data.buffer));
      const { loss } = await step.run({ ...batch, ...plan.scalars(number) });
      losses.push(loss!.data[0]!);
    }
    await writeFile(join(folder, 'batches.bin'), Buffer.concat(batches));
    const run = {
      ...{ phase, model: 'resnet18-narrow', k: K, ...IMAGE, batch: BATCH, momentum: 0.99 },
      optimizer: OPTIMIZER,
    };
    await writeFile(join(folder, 'run.json'), JSON.stringify(run));
    await runPython(python!, SCRIPT, [folder]);

    const theirs: number[] = JSON.parse(await readFile(join(folder, 'losses.json'), 'utf8'));
    expect(theirs).toHaveLength(STEPS);
    // After some steps a ReLU somewhere is on in one program and off in the other, by float32's rounding.
    for (const [index, loss] of losses.entries()) expect(loss).toBeCloseTo(theirs[index]!, index < 4 ? 4 : 3);
    expect(apart(await step.state(), await readTensors(folder, 'end'), start)).toBeLessThan(0.01);
    await step.dispose();
    await engine.dispose();
  },
);
