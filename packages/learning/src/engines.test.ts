import { RelaSpec } from '@rela/contracts';
import { createEngine, type HostTensor, type HostTensors } from '@rela/engine';
import { expect, it } from 'vitest';
import { probePlan } from './probe.js';
import { eagerEngine } from './testing/eager.js';
import { normal, randomBatch, tinyMobilenet, tinyPlan, tinyVit } from './testing/tiny.js';
import type { TrainingPlan } from './training-plan.js';

const STEPS = 20;
const TOLERANCE = 1e-4;

type Steps = Pick<TrainingPlan, 'initialState'> & {
  step: ReturnType<TrainingPlan['step']>;
  specs: ReturnType<TrainingPlan['batchSpecs']>;
  scalars: TrainingPlan['scalars'];
};

/** ‖a − b‖ / ‖b‖, where b is not all zeros */
function difference(a: HostTensor, b: HostTensor): number {
  let [apart, length] = [0, 0];
  for (const [index, value] of b.data.entries()) {
    apart += (a.data[index]! - value) ** 2;
    length += value ** 2;
  }
  return Math.sqrt(apart / Math.max(length, 1e-12));
}

/** @param isRounding keys of the state that no loss can see, so that rounding decides where they go */
async function expectSameNumbers(
  { initialState, step, specs, scalars }: Steps,
  isRounding = (_key: string) => false,
) {
  const engines = [await createEngine({ engine: 'compiled', threads: 1 }), await eagerEngine()] as const;
  const [compiled, eager] = [
    await engines[0].compile(step, initialState(), specs),
    await engines[1].compile(step, initialState(), specs),
  ];
  for (let at = 1; at <= STEPS; at++) {
    const batch: HostTensors = { ...randomBatch(specs, at), ...scalars(at) };
    const [actual, expected] = [await compiled.run(batch), await eager.run(batch)];
    expect(Object.keys(actual).sort()).toEqual(Object.keys(expected).sort());
    for (const [key, metric] of Object.entries(expected))
      expect(difference(actual[key]!, metric), `${key} at step ${at}`).toBeLessThan(TOLERANCE);
  }
  const [actual, expected] = [await compiled.state(), await eager.state()];
  expect(Object.keys(actual).sort()).toEqual(Object.keys(expected).sort());
  for (const [key, tensor] of Object.entries(expected))
    if (!isRounding(key)) expect(difference(actual[key]!, tensor), key).toBeLessThan(TOLERANCE);
  await Promise.all([compiled.dispose(), eager.dispose()]);
  await Promise.all(engines.map((engine) => engine.dispose()));
}

it('computes a blend alike compiled and op by op', () => {
  const plan = tinyPlan({ method: byol, rela: RelaSpec.parse({ transport: 'learned', blend: {} }) });
  const scalars = (step: number) => plan.scalars(step, { switchStep: 1 });
  return expectSameTraining({ ...plan, scalars }, 'method');
});

function expectSameTraining(
  plan: TrainingPlan,
  phase: 'rela' | 'method',
  isRounding?: (key: string) => boolean,
) {
  const { initialState, scalars } = plan;
  const steps = { initialState, scalars, step: plan.step(phase), specs: plan.batchSpecs(phase) };
  return expectSameNumbers(steps, isRounding);
}

const byol = { name: 'byol' as const, momentum: 0.99, projection: 8 };
const supervised = { name: 'supervised' as const };

it('computes BYOL alike compiled and op by op', () =>
  expectSameTraining(tinyPlan({ method: byol }), 'method'));

it('computes supervised training alike compiled and op by op', () =>
  expectSameTraining(tinyPlan({ method: supervised }), 'method'));

it.each(['fixed', 'learned'] as const)(
  'computes the ReLA phase with a %s transport alike compiled and op by op',
  (transport) => expectSameTraining(tinyPlan({ method: byol, rela: RelaSpec.parse({ transport }) }), 'rela'),
);

it.each([
  ['MobileNetV2', tinyMobilenet],
  ['a vision transformer', tinyVit],
] as const)('computes %s alike compiled and op by op, by every loss', async (_, backbone) => {
  const plan = (training: Parameters<typeof tinyPlan>[0]) => {
    const made = tinyPlan(training, { backbone: backbone() });
    return { ...made, initialState: () => asWide(made.initialState()) };
  };
  // What leaves a linear bottleneck, and the 1×1 convolution behind it, has mean 0 but for rounding.
  // Gradients of either sign cancel in the sums; the weights that are made of them are compared.
  const isZero = (key: string) =>
    /^adamw\.[mv]\./.test(key) || /features\.(2\.conv\.0|3\.conv\.0|4)\.1\.running_mean$/.test(key);
  await expectSameTraining(plan({ method: supervised }), 'method', isZero);
  await expectSameTraining(plan({ method: byol, rela: RelaSpec.parse({}) }), 'rela', isZero);
  // The batch norm of the projector takes away what the last layer norm adds: rounding is all that moves that shift, and the
  // classifier that watches the features sees it.
  const isMoved = (key: string) => /backbone\.norm\.bias$|classifier\./.test(key);
  await expectSameTraining(plan({ method: byol }), 'method', (key) => isZero(key) || isMoved(key));
});

/** A transformer's first weights of 8 channels, as strong as those of 192: weaker ones make all images alike but for rounding. */
function asWide(state: HostTensors): HostTensors {
  return Object.fromEntries(
    Object.entries(state).map(([key, tensor]) => {
      if (!/blocks.*weight$/.test(key) || tensor.shape.length !== 2 || /adamw/.test(key))
        return [key, tensor];
      return [key, { ...tensor, data: tensor.data.map((value) => value * Math.sqrt(192 / 8)) }];
    }),
  );
}

it('computes the linear probe alike compiled and op by op', () => {
  const plan = probePlan({ width: 6, classes: 3, learningRate: 1e-2 });
  const { step, scalars } = plan;
  return expectSameNumbers({
    initialState: () => plan.initialState(1),
    scalars,
    step,
    specs: plan.batchSpecs(16),
  });
});

it('passes the state of the ReLA phase on to the method, in either engine', async () => {
  const plan = tinyPlan({ method: byol, rela: RelaSpec.parse({}) });
  const states: HostTensors[] = [];
  for (const engine of [await createEngine({ engine: 'compiled', threads: 1 }), await eagerEngine()]) {
    let state = plan.initialState();
    for (const phase of ['rela', 'method'] as const) {
      const step = await engine.compile(plan.step(phase), state, plan.batchSpecs(phase));
      for (let at = 1; at <= 3; at++)
        await step.run({ ...randomBatch(plan.batchSpecs(phase), at), ...plan.scalars(at) });
      state = await step.state();
      await step.dispose();
    }
    states.push(state);
    await engine.dispose();
  }
  const [compiled, eager] = states as [HostTensors, HostTensors];
  for (const [key, tensor] of Object.entries(eager))
    expect(difference(compiled[key]!, tensor), key).toBeLessThan(TOLERANCE);
});

it('gives the same model bit for bit when a run goes on from its state', async () => {
  const plan = tinyPlan({ method: byol });
  const engine = await createEngine({ engine: 'compiled', threads: 1 });
  const specs = plan.batchSpecs('method');
  const open = (state: HostTensors) => engine.compile(plan.step('method'), state, specs);
  const batch = (at: number) => ({ ...randomBatch(specs, at), ...plan.scalars(at) });
  const [whole, before] = [await open(plan.initialState()), await open(plan.initialState())];
  for (let at = 1; at <= 6; at++) await whole.run(batch(at));
  for (let at = 1; at <= 3; at++) await before.run(batch(at));
  const after = await open(await before.state());
  for (let at = 4; at <= 6; at++) await after.run(batch(at));
  expect(await after.state()).toEqual(await whole.state());
  await Promise.all([whole, before, after].map((step) => step.dispose()));
  await engine.dispose();
});

it('sees a difference where there is one', () => {
  const tensor = normal([5], 1);
  const moved = { ...tensor, data: tensor.data.map((value) => value * 1.0002) };
  expect(difference(moved, tensor)).toBeGreaterThan(TOLERANCE);
});
