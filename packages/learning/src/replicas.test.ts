/** Replicas that average their gradients take the steps of one process that accumulates them over the same parts. */
import { createEngine, type Engine, type HostTensors, type Step, type TensorSpec } from '@rela/engine';
import { expect, it } from 'vitest';
import { gradientsOf, replicaSteps } from './replicas.js';
import { randomBatch, tinyPlan } from './testing/tiny.js';
import type { TrainingPlan } from './training-plan.js';

const REPLICAS = 2;
const STEPS = 5;

const specsOf = (tensors: HostTensors): Record<string, TensorSpec> =>
  Object.fromEntries(Object.entries(tensors).map(([key, { shape, dtype }]) => [key, { shape, dtype }]));

/** The part of a step's batch that a replica gets. */
const partOf = (plan: TrainingPlan, step: number, part: number) =>
  randomBatch(plan.batchSpecs('method'), REPLICAS * step + part);

async function accumulated(plan: TrainingPlan, engine: Engine): Promise<HostTensors> {
  const step = await engine.compile(plan.step('method'), plan.initialState(), plan.batchSpecs('method'));
  for (let number = 1; number <= STEPS; number++)
    for (let part = 1; part <= REPLICAS; part++)
      await step.run({ ...partOf(plan, number, part), ...plan.scalars(number, { part }) });
  const state = await step.state();
  await step.dispose();
  return state;
}

function meanOf(all: HostTensors[]): HostTensors {
  return Object.fromEntries(
    Object.entries(all[0]!).map(([key, tensor]) => [
      key,
      {
        ...tensor,
        dtype: 'float32' as const,
        data: Float32Array.from(tensor.data, (_, at) =>
          all.reduce((sum, one) => sum + one[key]!.data[at]! / all.length, 0),
        ),
      },
    ]),
  );
}

/** The states of all replicas after the same steps. They take turns with one compiled step. */
async function replicated(plan: TrainingPlan, engine: Engine): Promise<HostTensors[]> {
  const { state, batchSpecs, look, move, moveAndLook, earlier } = replicaSteps(plan, 'method');
  let states = Array.from({ length: REPLICAS }, () => state);
  /** A step of every replica; @returns the mean of what they found. */
  const inTurn = async (step: Step, batchOf: (part: number) => HostTensors): Promise<HostTensors> => {
    const found: HostTensors[] = [];
    const after: HostTensors[] = [];
    for (const [index, before] of states.entries()) {
      step.load(before);
      found.push(gradientsOf(await step.run(batchOf(index + 1))));
      after.push(await step.state());
    }
    states = after;
    return meanOf(found);
  };
  const first = await engine.compile(look, state, batchSpecs);
  let mean = await inTurn(first, (part) => ({ ...partOf(plan, 1, part), ...plan.scalars(1) }));
  const specs = { ...batchSpecs, ...specsOf(earlier(mean, plan.scalars(1))) };
  const going = await engine.compile(moveAndLook, state, specs);
  for (let number = 2; number <= STEPS; number++) {
    const before = earlier(mean, plan.scalars(number - 1));
    mean = await inTurn(going, (part) => ({
      ...partOf(plan, number, part),
      ...plan.scalars(number),
      ...before,
    }));
  }
  const last = { ...mean, ...plan.scalars(STEPS) };
  const ending = await engine.compile(move, state, specsOf(last));
  await inTurn(ending, () => last);
  for (const step of [first, going, ending]) await step.dispose();
  return states;
}

/** Largest distance in what is trained and what follows it; running statistics are each replica's own. */
function apart(a: HostTensors, b: HostTensors): number {
  const compared = Object.keys(a).filter((key) => key in b && !key.includes('running_'));
  return Math.max(
    ...compared.flatMap((key) => [...a[key]!.data].map((value, at) => Math.abs(value - b[key]!.data[at]!))),
  );
}

it.each([
  ['supervised, SGD', { method: { name: 'supervised' as const }, optimizer: sgd() }],
  [
    'BYOL, AdamW, clipped',
    {
      method: { name: 'byol' as const, momentum: 0.9, projection: 8 },
      ema: { schedule: 'constant' as const },
      optimizer: adamw(),
      clip: { norm: 0.1 },
    },
  ],
])(
  'two replicas have the weights of one process with the summed batch within 1e-4: %s',
  async (_, training) => {
    const plan = tinyPlan({ ...training, batchSize: 8, accumulate: REPLICAS });
    const engine = await createEngine({ engine: 'compiled', threads: 1 });
    const expected = await accumulated(plan, engine);
    const [one, other] = await replicated(plan, engine);
    await engine.dispose();
    expect(apart(expected, plan.initialState())).toBeGreaterThan(0.01);
    expect(apart(one!, expected)).toBeLessThan(1e-4);
    expect(apart(other!, one!)).toBe(0);
  },
);

function sgd() {
  return { name: 'sgd' as const, learningRate: 0.1, weightDecay: 1e-3, momentum: 0.9, nesterov: false };
}

/** Its ε keeps the first steps from being the mere signs of gradients near 0. */
function adamw() {
  return {
    ...{ name: 'adamw' as const, learningRate: 0.02, weightDecay: 0.01 },
    ...{ beta1: 0.9, beta2: 0.999, epsilon: 1e-2 },
  };
}
