/** AdamW and the adaptive rule held to PyTorch and NumPy in float64: a trajectory of weights, and ρ over the steps. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { OptimizerSpec, Training } from '@rela/contracts';
import { createEngine, type HostTensor, tf } from '@rela/engine';
import { adaptiveSwitch, type Backbone, initialSwitch, type Method, planAround } from '@rela/learning';
import { createRandom } from '@rela/random';
import type { Scalar } from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { findTorch, runPython } from '../torch/torch.js';

const SCRIPT = fileURLToPath(new URL('rules.py', import.meta.url));
const STEPS = 200;
const RHOS = 2000;
const SIZE = 30;
const OPTIMIZER = OptimizerSpec.parse({ learningRate: 0.01, weightDecay: 0.1 });

const python = await findTorch();
const name = python ? '' : ' (no Python with PyTorch here)';

const normal = (seed: number, key: string, scale = 1): HostTensor & { data: Float32Array } => {
  const random = createRandom(seed, key);
  return {
    dtype: 'float32',
    shape: [SIZE],
    data: Float32Array.from({ length: SIZE }, () => scale * random.normal()),
  };
};
/** From 1e-4 to 100 and of either sign, each element of a size of its own. */
const gradientAt = (step: number) => {
  const gradient = normal(step, 'gradient');
  gradient.data = gradient.data.map((value, at) => (value + 0.5) * 10 ** ((at % 7) - 4));
  return gradient;
};
const start = normal(0, 'weights');
/** Falling from 1.2, with noise: ρ rises and comes near its threshold. */
const noise = createRandom(3, 'losses');
const losses = Float64Array.from(
  { length: RHOS },
  (_, step) => 0.3 + 0.9 * Math.exp(-step / 300) + 0.1 * noise.normal(),
);

let folder: string;
const read = async (file: string) => {
  const bytes = await readFile(join(folder, file));
  return new Float64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
};

beforeAll(async () => {
  if (!python) return;
  folder = await mkdtemp(join(tmpdir(), 'rela-rules-'));
  const gradients = Array.from({ length: STEPS }, (_, step) => Buffer.from(gradientAt(step + 1).data.buffer));
  await writeFile(join(folder, 'run.json'), JSON.stringify({ optimizer: OPTIMIZER, steps: STEPS }));
  await writeFile(join(folder, 'start.bin'), Buffer.from(start.data.buffer));
  await writeFile(join(folder, 'gradients.bin'), Buffer.concat(gradients));
  await writeFile(join(folder, 'losses.bin'), Buffer.from(losses.buffer));
  await runPython(python, SCRIPT, [folder]);
});
afterAll(() => folder && rm(folder, { recursive: true, force: true }));

/** A run whose only weights are `w`, and whose loss Σ w·g has the gradients that come in. */
function planOfGiven() {
  const backbone = { width: 1, init: () => ({}), trainable: () => true } as unknown as Backbone;
  const method: Method = {
    views: [],
    init: () => ({ w: start }),
    trainable: () => true,
    inputs: ({ step }) => ({ gradient: gradientAt(step) }),
    constants: () => ({}),
    loss: ({ w }, { inputs }) => ({
      loss: tf.sum(tf.mul(w!, inputs.gradient!)) as Scalar,
      features: [tf.zeros([1, 1])],
      statistics: {},
    }),
    follow: () => ({}),
  };
  const training = Training.parse({ method: { name: 'byol' }, optimizer: OPTIMIZER, epochs: STEPS });
  return planAround(backbone, method, {
    ...{ training, image: { size: 8, channels: 1 }, classes: null, k: null },
  });
}

it.skipIf(!python)(`moves weights over ${STEPS} steps of AdamW as torch does${name}`, async () => {
  const plan = planOfGiven();
  const engine = await createEngine({ engine: 'compiled' });
  const step = await engine.compile(plan.step('method'), plan.initialState(), plan.batchSpecs('method'));
  for (let at = 1; at <= STEPS; at++) await step.run(plan.scalars(at));
  const { w } = await step.state();
  await step.dispose();
  await engine.dispose();
  const theirs = await read('end.bin');
  expect(theirs).toHaveLength(SIZE);
  for (const [at, value] of theirs.entries()) expect(Math.abs(w!.data[at]! - value)).toBeLessThan(1e-5);
});

it.skipIf(!python)(`finds the first ${RHOS} ρ of the adaptive rule as NumPy does${name}`, async () => {
  const theirs = await read('rho.bin');
  expect(theirs).toHaveLength(RHOS);
  let state = initialSwitch();
  for (const [step, loss] of losses.entries()) {
    state = adaptiveSwitch(state, loss, 0.995);
    expect(Math.abs(state.rho - theirs[step]!), `step ${step + 1}`).toBeLessThan(1e-12);
  }
});
