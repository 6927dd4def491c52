/** A batch in parts: the same step as on the whole, where no layer looks at more than one image. */
import type { Training } from '@rela/contracts';
import { createEngine, type HostTensors } from '@rela/engine';
import { expect, it } from 'vitest';
import { eagerEngine } from './testing/eager.js';
import { randomBatch, tinyPlan, tinyVit } from './testing/tiny.js';
import type { TrainingPlan } from './training-plan.js';

const BATCH = 12;
const STEPS = 6;

const plan = (more: Partial<Training>, backbone = tinyVit()) =>
  tinyPlan({ method: { name: 'supervised' }, batchSize: BATCH, ...more }, { backbone });

/** Rows of the whole batch that a part has. Labels are all there: the mean over parts is the mean over the batch. */
function partOf(batch: HostTensors, part: number, parts: number): HostTensors {
  return Object.fromEntries(
    Object.entries(batch).map(([key, { dtype, shape, data }]) => {
      const rows = shape[0]! / parts;
      const row = data.length / shape[0]!;
      const cut = data.slice((part - 1) * rows * row, part * rows * row);
      return [key, { dtype, shape: [rows, ...shape.slice(1)], data: cut }];
    }),
  );
}

function wholeBatch(whole: TrainingPlan, step: number): HostTensors {
  const batch = randomBatch(whole.batchSpecs('method'), step);
  return {
    ...batch,
    labels: { ...batch.labels!, data: batch.labels!.data.map((label) => Math.max(0, label)) },
  };
}

async function trained(made: TrainingPlan, engineName: 'compiled' | 'eager' = 'compiled') {
  const engine =
    engineName === 'eager' ? await eagerEngine() : await createEngine({ engine: 'compiled', threads: 1 });
  const whole = plan({});
  const step = await engine.compile(made.step('method'), made.initialState(), made.batchSpecs('method'));
  for (let number = 1; number <= STEPS; number++)
    for (let part = 1; part <= made.parts; part++)
      await step.run({
        ...partOf(wholeBatch(whole, number), part, made.parts),
        ...made.scalars(number, { part }),
      });
  const state = await step.state();
  await step.dispose();
  await engine.dispose();
  return state;
}

/** Largest distance of two backbones' numbers. */
function apart(made: TrainingPlan, a: HostTensors, b: HostTensors): number {
  const [ours, theirs] = [made.backboneWeights(a), made.backboneWeights(b)];
  return Math.max(
    ...Object.entries(ours).flatMap(([key, { data }]) =>
      [...data].map((value, at) => Math.abs(value - theirs[key]!.data[at]!)),
    ),
  );
}

const sgd: Training['optimizer'] = {
  name: 'sgd',
  learningRate: 0.1,
  weightDecay: 1e-3,
  momentum: 0.9,
  nesterov: false,
};

it.each([
  ['SGD', { optimizer: sgd }],
  ['AdamW, clipped', { optimizer: adamw(), clip: { norm: 0.05 } }],
] as const)('gives the weights of the whole batch within 1e-4: %s', async (_, training) => {
  const whole = plan(training);
  const parts = plan({ ...training, accumulate: 3 });
  const [expected, actual] = [await trained(whole), await trained(parts)];
  expect(apart(whole, expected, whole.initialState())).toBeGreaterThan(0.01);
  expect(apart(whole, actual, expected)).toBeLessThan(1e-4);
});

/** Its ε keeps the first steps from being the mere signs of gradients near 0. */
function adamw(): Training['optimizer'] {
  return { name: 'adamw', learningRate: 0.05, weightDecay: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-2 };
}

it('computes parts alike compiled and op by op', async () => {
  const made = plan({ optimizer: sgd, accumulate: 2, clip: { norm: 0.1 } });
  expect(apart(made, await trained(made), await trained(made, 'eager'))).toBeLessThan(1e-5);
});

it('moves nothing but sums and running statistics before the last part of a batch', async () => {
  const made = tinyPlan({
    method: { name: 'byol', momentum: 0.9, projection: 8 },
    ema: { schedule: 'constant' },
    batchSize: 8,
    accumulate: 2,
  });
  const engine = await eagerEngine();
  const before = made.initialState();
  const step = await engine.compile(made.step('method'), made.initialState(), made.batchSpecs('method'));
  const batch = randomBatch(made.batchSpecs('method'), 1);
  const moved = async () => {
    const after = await step.state();
    return Object.keys(before).filter((key) =>
      before[key]!.data.some((value, index) => value !== after[key]!.data[index]),
    );
  };
  await step.run({ ...batch, ...made.scalars(1, { part: 1 }) });
  const first = await moved();
  expect(first).toContain('accumulated.projector.0.weight');
  expect(first).toContain('backbone.bn1.running_mean');
  expect(first.filter((key) => !/^accumulated\.|^backbone.*running/.test(key))).toEqual([]);
  await step.run({ ...batch, ...made.scalars(1, { part: 2 }) });
  const last = await moved();
  for (const key of ['backbone.conv1.weight', 'target.backbone.conv1.weight', 'adamw.c1.every'])
    expect(last).toContain(key);
  await step.dispose();
  await engine.dispose();
});
