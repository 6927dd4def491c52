/** The losses of ReLA and of every method held to PyTorch: the same first weights and batches, two programs, the same losses, over some steps. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type MethodName, MethodSpec, OptimizerSpec, Training } from '@rela/contracts';
import { createEngine, type Engine, type HostTensors, ops } from '@rela/engine';
import { createTrainingPlan, type TrainingPlan } from '@rela/learning';
import { createRandom } from '@rela/random';
import type { Tensor1D } from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { findTorch, runPython, writeTensors } from '../torch/torch.js';

const SCRIPT = fileURLToPath(new URL('methods.py', import.meta.url));
const BATCH = 8;
const IMAGE = { size: 16, channels: 1 };
const PATCHES = 16;
const K = 24;
const EPOCHS = 2;
const STEPS_PER_EPOCH = 2;
const STEPS = EPOCHS * STEPS_PER_EPOCH;
/** AdamW's first steps are the signs of the gradients, of which rounding decides some; with a larger ε they are smooth. */
const OPTIMIZER = OptimizerSpec.parse({ epsilon: 1e-2 });

type Loss = MethodName | 'rela' | 'blend';
/** What is compared, and options that show every way that it has. */
const LOSSES: [Loss, object][] = [
  ['rela', {}],
  ['byol', {}],
  // BYOL's loss and the ReLA loss beside it.
  ['blend', { weight: 0.7 }],
  ['simclr', {}],
  ['simsiam', {}],
  // Three batches of 8 go once around and into the queue again.
  ['moco-v2', { queue: 20, momentum: 0.9 }],
  ['barlow-twins', { projection: 64 }],
  ['vicreg', { projection: 64 }],
  ['dino', { prototypes: 32, hidden: 64, localViews: 2, localSize: 8, warmupTeacherEpochs: 2 }],
  ['mae', { decoderDepth: 2 }],
];

const python = await findTorch();
const name = python ? '' : ' (no Python with PyTorch here)';

let folder: string;
let engine: Engine;
const ours = new Map<Loss, number[]>();

const hasTargets = (loss: Loss) => loss === 'rela' || loss === 'blend';

function planOf(loss: Loss, options: object): TrainingPlan {
  const training = Training.parse({
    optimizer: OPTIMIZER,
    ...(hasTargets(loss) ? { method: { name: 'byol' } } : { method: { name: loss, ...options }, rela: null }),
    ...(loss === 'rela' ? { rela: {} } : {}),
    ...(loss === 'blend' ? { rela: { transport: 'learned', blend: options } } : {}),
    backbone: { name: loss === 'mae' ? 'vit-tiny' : 'resnet18-narrow' },
    batchSize: BATCH,
    epochs: EPOCHS,
    seed: 5,
  });
  return createTrainingPlan({
    training,
    image: IMAGE,
    classes: null,
    k: hasTargets(loss) ? K : null,
    length: { stepsPerEpoch: STEPS_PER_EPOCH, totalSteps: STEPS },
  });
}

/** Normal numbers; views of one size are near each other, as views of an image are. */
function batchOf(specs: ReturnType<TrainingPlan['batchSpecs']>, step: number): HostTensors {
  const batch: HostTensors = {};
  for (const [key, spec] of Object.entries(specs)) {
    if (!/^(view|targets)/.test(key)) continue;
    const { length } = { length: spec.shape.reduce((product, side) => product * side, 1) };
    const [shared, own] = [createRandom(step, 'images', length), createRandom(step, key)];
    const data = Float32Array.from({ length }, () => shared.normal() + 0.5 * own.normal());
    batch[key] = { ...spec, data };
  }
  return batch;
}

/** What decides which patches MAE hides at a step; the order is PyTorch's to find. */
async function noiseOf(plan: TrainingPlan, step: number): Promise<Buffer> {
  const { 'mae.key': key, 'mae.counter': counter } = plan.scalars(step);
  const draw = await engine.compile(
    (_, batch) => ({
      state: {},
      metrics: {
        noise: ops.randomUniform([BATCH, PATCHES], batch.key as Tensor1D, batch.counter as Tensor1D),
      },
    }),
    {},
    { key: key!, counter: counter! },
  );
  const { noise } = await draw.run({ key: key!, counter: counter! });
  await draw.dispose();
  return Buffer.from((noise!.data as Float32Array).slice().buffer);
}

/** The options as PyTorch gets them. */
function written(loss: Loss, options: object): object {
  if (loss === 'rela') return { name: loss };
  if (loss === 'blend') return { ...MethodSpec.parse({ name: 'byol' }), name: loss, ...options };
  return MethodSpec.parse({ name: loss, ...options });
}

async function train(method: Loss, options: object): Promise<void> {
  const place = join(folder, method);
  await mkdir(place);
  const plan = planOf(method, options);
  const phase = method === 'rela' ? 'rela' : 'method';
  const specs = plan.batchSpecs(phase);
  const start = plan.initialState();
  await writeTensors(place, 'start', start);
  const step = await engine.compile(plan.step(phase), start, specs);
  const batches: Buffer[] = [];
  const noise: Buffer[] = [];
  const losses: number[] = [];
  for (let number = 1; number <= STEPS; number++) {
    const batch = batchOf(specs, number);
    for (const { data } of Object.values(batch)) batches.push(Buffer.from(data.buffer));
    if (method === 'mae') noise.push(await noiseOf(plan, number));
    losses.push((await step.run({ ...batch, ...plan.scalars(number, { switchStep: 1 }) })).loss!.data[0]!);
  }
  await step.dispose();
  ours.set(method, losses);
  const run = {
    ...{ model: method === 'mae' ? 'vit' : 'resnet18-narrow', patch: 4, depth: 12, heads: 3 },
    ...{ ...IMAGE, batch: BATCH, stepsPerEpoch: STEPS_PER_EPOCH, totalSteps: STEPS },
    ...{ sizes: plan.views(phase).map(({ size }) => size), k: hasTargets(method) ? K : null },
    method: written(method, options),
    optimizer: OPTIMIZER,
  };
  await writeFile(join(place, 'run.json'), JSON.stringify(run));
  await writeFile(join(place, 'batches.bin'), Buffer.concat(batches));
  await writeFile(join(place, 'noise.bin'), Buffer.concat(noise));
}

beforeAll(async () => {
  if (!python) return;
  folder = await mkdtemp(join(tmpdir(), 'rela-methods-'));
  engine = await createEngine({ engine: 'compiled' });
  for (const [method, options] of LOSSES) await train(method, options);
  const places = LOSSES.map(([method]) => join(folder, method));
  await runPython(python, SCRIPT, places);
});
afterAll(async () => {
  await engine?.dispose();
  if (folder) await rm(folder, { recursive: true, force: true });
});

it.skipIf(!python).for(LOSSES)(
  `computes the loss of %s as PyTorch does in float64, and trains as it does${name}`,
  async ([method]) => {
    const theirs: number[] = JSON.parse(await readFile(join(folder, method, 'losses.json'), 'utf8'));
    const losses = ours.get(method)!;
    expect(theirs).toHaveLength(STEPS);
    const apart = losses.map(
      (loss, step) => Math.abs(loss - theirs[step]!) / Math.max(1, Math.abs(theirs[step]!)),
    );
    expect(apart[0]).toBeLessThan(1e-5);
    // Behind the first step, rounding in the gradients and a ReLU somewhere that it turns.
    for (const difference of apart) expect(difference).toBeLessThan(1e-3);
  },
);
