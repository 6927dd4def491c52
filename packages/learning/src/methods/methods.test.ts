/** What every method keeps: it learns, compiled or not, and a run that goes on from a checkpoint is the run that never stopped. */
import { MethodSpec, RelaSpec } from '@rela/contracts';
import { createEngine, type Engine, type HostTensor, type HostTensors } from '@rela/engine';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eagerEngine } from '../testing/eager.js';
import { randomBatch, tinyBackbone, tinyPlan, tinyVit } from '../testing/tiny.js';
import type { TrainingPlan } from '../training-plan.js';

/** Each in a small form. */
const CASES = [
  { method: { name: 'byol', momentum: 0.9, projection: 8 } },
  { method: { name: 'simclr', projection: 8 } },
  { method: { name: 'simsiam', projection: 8, predictor: 4 } },
  { method: { name: 'moco-v2', projection: 8, queue: 10 } },
  { method: { name: 'barlow-twins', projection: 8 } },
  { method: { name: 'vicreg', projection: 8 } },
  {
    method: {
      ...{ name: 'dino', prototypes: 12, hidden: 8, bottleneck: 6, localViews: 2, localSize: 5 },
      warmupTeacherEpochs: 2,
    },
  },
  { method: { name: 'dino', prototypes: 12, hidden: 8, bottleneck: 6 }, vit: true },
  { method: { name: 'mae', decoderWidth: 8, decoderDepth: 1 }, vit: true },
  { method: { name: 'supervised' } },
].map(({ method, vit = false }) => ({
  method: MethodSpec.parse(method),
  vit,
  name: `${method.name}${vit ? ' on a transformer' : ''}`,
}));
type Case = (typeof CASES)[number];

const BATCH = 4;
const rela = RelaSpec.parse({});

const planOf = ({ method, vit }: Case, training: Partial<Parameters<typeof tinyPlan>[0]> = {}) =>
  tinyPlan(
    { method, batchSize: BATCH, epochs: 8, ...training },
    { backbone: vit ? tinyVit() : tinyBackbone() },
  );

/** Second and further views are near the first, as views of an image are; sizes may differ. */
function batchOf(specs: ReturnType<TrainingPlan['batchSpecs']>, seed: number): HostTensors {
  const batch = randomBatch(specs, seed);
  for (const [key, tensor] of Object.entries(batch)) {
    if (key === 'view1' || tensor.data.length !== batch.view1!.data.length) continue;
    if (key.startsWith('view'))
      tensor.data = tensor.data.map((value, at) => batch.view1!.data[at]! + 0.3 * value) as Float32Array;
  }
  return batch;
}

interface Ran {
  losses: number[];
  state: HostTensors;
}

/** Steps `from` to `to` of the method's own loss. */
async function run(
  engine: Engine,
  plan: TrainingPlan,
  state: HostTensors,
  { from, to, seed = (step: number) => step }: { from: number; to: number; seed?: (step: number) => number },
): Promise<Ran> {
  const specs = plan.batchSpecs('method');
  const step = await engine.compile(plan.step('method'), state, specs);
  const losses: number[] = [];
  for (let at = from; at <= to; at++) {
    const batch = { ...batchOf(specs, seed(at)), ...plan.scalars(at, { switchStep: 1 }) };
    losses.push((await step.run(batch)).loss!.data[0]!);
  }
  const after = await step.state();
  await step.dispose();
  return { losses, state: after };
}

/** ‖a − b‖ / ‖b‖ */
function difference(a: HostTensor, b: HostTensor): number {
  let [apart, length] = [0, 0];
  for (const [index, value] of b.data.entries()) {
    apart += (a.data[index]! - value) ** 2;
    length += value ** 2;
  }
  return Math.sqrt(apart / Math.max(length, 1e-6));
}

let compiled: Engine;
let eager: Engine;
beforeAll(async () => {
  compiled = await createEngine({ engine: 'compiled', threads: 1 });
  eager = await eagerEngine();
});
afterAll(() => Promise.all([compiled.dispose(), eager.dispose()]));

describe.each(CASES)('$name', (one) => {
  it('computes a step alike compiled and op by op', async () => {
    const plan = planOf(one);
    const theirs = await run(eager, plan, plan.initialState(), { from: 1, to: 1 });
    const ours = await run(compiled, plan, plan.initialState(), { from: 1, to: 1 });
    expect(Math.abs(ours.losses[0]! / theirs.losses[0]! - 1)).toBeLessThan(1e-5);
    expect(Object.keys(ours.state).sort()).toEqual(Object.keys(theirs.state).sort());
    // Gradients rather than weights: AdamW's first step is their signs. A head's batch norm takes away what the last layer norm of a
    // transformer adds, so that the gradient of that shift is rounding.
    for (const [key, tensor] of Object.entries(theirs.state))
      if (
        !/^(adamw\.v|adamw\.m\.backbone\.norm\.bias|target|backbone|head|projector|predictor|decoder|expander|classifier|prototypes)/.test(
          key,
        )
      )
        expect(difference(ours.state[key]!, tensor), key).toBeLessThan(1e-3);
  });

  it('lowers its loss on a batch that it sees again and again', async () => {
    const optimizer = {
      name: 'adamw' as const,
      learningRate: 0.01,
      weightDecay: 0,
      beta1: 0.9,
      beta2: 0.999,
    };
    const plan = planOf(one, { optimizer: { ...optimizer, epsilon: 1e-8 } });
    const { losses } = await run(compiled, plan, plan.initialState(), { from: 1, to: 30, seed: () => 1 });
    // MoCo's queue is random at first, which is easy, and after three steps full of the batch's own keys.
    const first = losses[3]!;
    expect(losses.at(-1)).toBeLessThan(first - 0.05 * Math.abs(first));
  });

  it('goes on from the middle with the same bits', async () => {
    const plan = planOf(one);
    const whole = await run(compiled, plan, plan.initialState(), { from: 1, to: 6 });
    const first = await run(compiled, plan, plan.initialState(), { from: 1, to: 3 });
    const rest = await run(compiled, plan, first.state, { from: 4, to: 6 });
    expect([...first.losses, ...rest.losses]).toEqual(whole.losses);
    expect(rest.state).toEqual(whole.state);
  });

  it('starts from its own heads after a ReLA phase, which trains the backbone alone', async () => {
    const plan = planOf(one, { rela });
    const before = plan.initialState();
    const specs = plan.batchSpecs('rela');
    const step = await compiled.compile(plan.step('rela'), before, specs);
    await step.run({ ...randomBatch(specs, 1), ...plan.scalars(1) });
    const state = await step.state();
    await step.dispose();
    for (const [key, tensor] of Object.entries(before)) {
      const moved = tensor.data.some((value, at) => value !== state[key]!.data[at]);
      if (/^(projector|predictor|head|prototypes|decoder|expander|queue|centre)/.test(key))
        expect(moved, key).toBe(false);
      if (/^(target\.)?backbone.*(conv1|qkv)\.weight/.test(key)) expect(moved, key).toBe(true);
    }
    const { losses } = await run(compiled, plan, state, { from: 1, to: 2 });
    expect(losses.every(Number.isFinite)).toBe(true);
  });
});

it.each(CASES.filter(({ method }) => /moco|dino|mae/.test(method.name)))(
  '$name takes a batch in parts: each has its keys, its masks and its share of the centre, and the last one moves the weights',
  async (one) => {
    const plan = planOf(one, { batchSize: 2 * BATCH, accumulate: 2 });
    const start = plan.initialState();
    const specs = plan.batchSpecs('method');
    const step = await compiled.compile(plan.step('method'), plan.initialState(), specs);
    const moved = (before: HostTensors, after: HostTensors, key: RegExp) =>
      Object.keys(before).filter(
        (name) => key.test(name) && before[name]!.data.some((value, at) => value !== after[name]!.data[at]),
      );
    const weights = /^(target\.)?(backbone.*(conv1|qkv)|projector|head|decoder).*weight$/;
    await step.run({ ...batchOf(specs, 1), ...plan.scalars(1, { part: 1 }) });
    const half = await step.state();
    expect(moved(start, half, weights)).toEqual([]);
    if (one.method.name === 'moco-v2') expect(half['queue.oldest']!.data[0]).toBe(BATCH);
    if (one.method.name === 'dino') expect(moved(start, half, /^centre$/)).toEqual(['centre']);
    await step.run({ ...batchOf(specs, 2), ...plan.scalars(1, { part: 2 }) });
    expect(moved(half, await step.state(), weights).length).toBeGreaterThan(0);
    await step.dispose();
    if (one.method.name === 'mae')
      expect(plan.scalars(1, { part: 2 })['mae.counter']).not.toEqual(plan.scalars(1)['mae.counter']);
  },
);
