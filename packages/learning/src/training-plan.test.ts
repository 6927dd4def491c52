import { MethodSpec, OptimizerSpec, RelaSpec } from '@rela/contracts';
import type { HostTensors } from '@rela/engine';
import { expect, it } from 'vitest';
import { eagerEngine, runOnce } from './testing/eager.js';
import { normal, randomBatch, TINY, tinyBackbone, tinyPlan } from './testing/tiny.js';
import type { TrainingPlan } from './training-plan.js';

const byol = { name: 'byol' as const, momentum: 0.9, projection: 8 };
const supervised = { name: 'supervised' as const };
const rela = (transport: 'fixed' | 'learned' = 'fixed') => RelaSpec.parse({ transport });

function step(
  plan: TrainingPlan,
  phase: 'rela' | 'method',
  state = plan.initialState(),
  changed: HostTensors = {},
) {
  const batch = { ...randomBatch(plan.batchSpecs(phase), 1), ...plan.scalars(1), ...changed };
  return runOnce(plan.step(phase), state, batch);
}

const keysThatMoved = (before: HostTensors, after: HostTensors) =>
  Object.keys(before).filter((key) =>
    before[key]!.data.some((value, index) => value !== after[key]!.data[index]),
  );

it('starts equal runs from equal states, and a run without ReLA from the same backbone', () => {
  const plan = tinyPlan({ method: byol, rela: rela() });
  expect(plan.initialState()).toEqual(plan.initialState());
  const control = tinyPlan({ method: byol, rela: null }).initialState();
  for (const [key, tensor] of Object.entries(control)) expect(tensor).toEqual(plan.initialState()[key]);
  expect(tinyPlan({ method: byol, seed: 4 }).initialState()).not.toEqual(control);
});

it('moves in the ReLA phase the backbone and what follows it, and leaves heads and their moments as they are', async () => {
  const plan = tinyPlan({ method: byol, rela: rela() });
  const before = plan.initialState();
  const { state, metrics } = await step(plan, 'rela', before);
  const moved = keysThatMoved(before, state);
  expect(moved).toContain('backbone.layer2.0.downsample.0.weight');
  expect(moved).toContain('backbone.bn1.running_mean');
  expect(moved).toContain('target.backbone.conv1.weight');
  expect(moved).toContain('classifier.weight');
  const heads = moved.filter((key) => /projector|predictor|transport|method/.test(key));
  expect(heads).toEqual([]);
  expect(metrics.loss!.shape).toEqual([]);
  expect(metrics.loss!.data[0]).toBeGreaterThan(0);
  expect(metrics.loss!.data[0]).toBeLessThan(2);
});

it('trains W where it is learned, and then only in the ReLA phase', async () => {
  const plan = tinyPlan({ method: byol, rela: rela('learned') });
  const before = plan.initialState();
  const first = await step(plan, 'rela', before);
  expect(keysThatMoved(before, first.state)).toContain('transport.weight');
  const second = await step(plan, 'method', first.state);
  const moved = keysThatMoved(first.state, second.state);
  expect(moved).toContain('projector.0.weight');
  expect(moved.filter((key) => key.includes('transport'))).toEqual([]);
});

it('adds to the loss of a blend its weight times the distance to the targets, with the switch behind it', async () => {
  const blended = (weight: number) =>
    tinyPlan({ method: byol, rela: RelaSpec.parse({ transport: 'learned', blend: { weight } }) });
  const lossOf = async (plan: TrainingPlan) => {
    const batch = { ...randomBatch(plan.batchSpecs('method'), 1), ...plan.scalars(1, { switchStep: 1 }) };
    return (await runOnce(plan.step('method'), plan.initialState(), batch)).metrics.loss!.data[0]!;
  };
  const own = await lossOf(tinyPlan({ method: byol, rela: rela() }));
  const [one, two] = [await lossOf(blended(1)), await lossOf(blended(2))];
  expect(one).toBeGreaterThan(own);
  expect(two - own).toBeCloseTo(2 * (one - own), 5);
});

it.each(['byol', 'simclr', 'simsiam', 'moco-v2', 'barlow-twins', 'vicreg', 'dino', 'supervised'] as const)(
  'trains W beside %s in a blend, and no W without a blend',
  async (name) => {
    const method = MethodSpec.parse({ name });
    for (const blend of [undefined, { weight: 0.5, schedule: 'constant' as const, final: 0 }]) {
      const plan = tinyPlan({
        method,
        rela: { ...RelaSpec.parse({ transport: 'learned' }), ...(blend && { blend }) },
      });
      const before = plan.initialState();
      const batch = { ...randomBatch(plan.batchSpecs('method'), 1), ...plan.scalars(1, { switchStep: 1 }) };
      const { state } = await runOnce(plan.step('method'), before, batch);
      const moved = keysThatMoved(before, state).filter((key) => key.startsWith('transport.'));
      expect(moved).toEqual(blend ? ['transport.weight', 'transport.bias'] : []);
    }
  },
);

it('has no moments for what is never trained', () => {
  const keys = Object.keys(tinyPlan({ method: byol, rela: rela() }).initialState());
  const moments = keys.filter((key) => key.startsWith('adamw.'));
  expect(moments).toContain('adamw.m.predictor.0.weight');
  expect(moments.filter((key) => /transport|target|running/.test(key))).toEqual([]);
});

it('lets the target network of BYOL follow with m, weights and running statistics alike', async () => {
  for (const phase of ['rela', 'method'] as const) {
    const plan = tinyPlan({ method: byol, rela: rela() });
    const before = plan.initialState();
    const { state } = await step(plan, phase, before);
    for (const key of ['backbone.conv1.weight', 'backbone.bn1.running_var', 'projector.3.weight'])
      for (const [index, value] of state[`target.${key}`]!.data.entries())
        expect(value).toBeCloseTo(0.9 * before[key]!.data[index]! + 0.1 * state[key]!.data[index]!, 6);
  }
});

it('begins BYOL with a target network equal to the online one', () => {
  const state = tinyPlan({ method: byol }).initialState();
  const followed = Object.keys(state).filter((key) => /^(backbone|projector)\./.test(key));
  expect(followed.length).toBeGreaterThan(20);
  for (const key of followed) expect(state[`target.${key}`]).toEqual(state[key]);
  expect(Object.keys(state).filter((key) => key.startsWith('target.predictor'))).toEqual([]);
});

it('gives BYOL a loss that does not depend on which view comes first', async () => {
  const plan = tinyPlan({ method: byol });
  const batch = randomBatch(plan.batchSpecs('method'), 1);
  const swapped = { view1: batch.view2!, view2: batch.view1! };
  const loss = async (changed: HostTensors) =>
    (await step(plan, 'method', undefined, changed)).metrics.loss!.data[0]!;
  expect(await loss(swapped)).toBeCloseTo(await loss({}), 5);
});

it('keeps the backbone of an unsupervised run apart from the labels', async () => {
  const plan = tinyPlan({ method: byol, rela: rela() });
  const labels = (data: number[]) => ({
    labels: { dtype: 'int32' as const, shape: [4], data: Int32Array.from(data) },
  });
  for (const phase of ['rela', 'method'] as const) {
    const one = await step(plan, phase, undefined, labels([0, 1, 2, 0]));
    const other = await step(plan, phase, undefined, labels([2, 2, -1, 1]));
    const unlabelled = await step(tinyPlan({ method: byol, rela: rela() }, { classes: null }), phase);
    const differing = keysThatMoved(one.state, other.state);
    expect(differing.length).toBeGreaterThan(0);
    expect(differing.filter((key) => !key.includes('classifier'))).toEqual([]);
    expect(plan.backboneWeights(unlabelled.state)).toEqual(plan.backboneWeights(one.state));
    expect(unlabelled.metrics).not.toHaveProperty('classifierCorrect');
  }
});

it('trains a supervised run on one view, and on two while the ReLA loss is in use', async () => {
  const plan = tinyPlan({ method: supervised, rela: rela() });
  expect(Object.keys(plan.batchSpecs('method')).sort()).toEqual(['labels', 'learningRate', 'view1']);
  expect(Object.keys(plan.batchSpecs('rela')).sort()).toEqual([
    'labels',
    'learningRate',
    'targets',
    'view1',
    'view2',
  ]);
  const before = plan.initialState();
  const first = await step(plan, 'rela', before);
  expect(keysThatMoved(before, first.state).filter((key) => key.includes('head'))).toEqual([]);
  const second = await step(plan, 'method', first.state);
  expect(keysThatMoved(first.state, second.state)).toContain('head.weight');
});

it('lowers the ReLA loss on a batch that it sees again and again', async () => {
  const plan = tinyPlan({
    method: byol,
    rela: rela(),
    optimizer: { name: 'adamw', learningRate: 0.02, weightDecay: 0, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 },
  });
  const engine = await eagerEngine();
  const specs = plan.batchSpecs('rela');
  const compiled = await engine.compile(plan.step('rela'), plan.initialState(), specs);
  const batch = { ...randomBatch(specs, 1), targets: normal([4, TINY.k], 5) };
  const losses: number[] = [];
  for (let at = 1; at <= 15; at++) {
    const { loss } = await compiled.run({ ...batch, ...plan.scalars(at) });
    losses.push(loss!.data[0]!);
  }
  await compiled.dispose();
  await engine.dispose();
  expect(losses.at(-1)).toBeLessThan(0.5 * losses[0]!);
});

it('hands out the backbone under its own names', () => {
  const plan = tinyPlan({ method: byol });
  const weights = plan.backboneWeights(plan.initialState());
  expect(Object.keys(weights).filter(tinyBackbone().trainable)).toHaveLength(18);
  expect(weights['conv1.weight']!.shape).toEqual([3, 3, 1, 4]);
});

const dino = { name: 'dino' as const, prototypes: 6, hidden: 4, bottleneck: 4, warmupTeacherEpochs: 2 };

it('counts the schedules of a method from its own first step, and gives the ReLA phase no inputs of it', () => {
  const method = MethodSpec.parse(dino);
  const control = tinyPlan({ method, epochs: 4 });
  const names = Object.keys(control.scalars(1)).sort();
  expect(names).toEqual(
    Object.keys(control.batchSpecs('method'))
      .filter((key) => !/^(view|labels)/.test(key))
      .sort(),
  );
  const temperature = (scalars: HostTensors) => scalars['dino.teacherTemperature']!.data[0];
  expect(temperature(control.scalars(1))).toBeCloseTo(0.04, 6);
  expect(temperature(control.scalars(6))).toBeCloseTo(0.055, 6);
  expect(temperature(control.scalars(11))).toBeCloseTo(0.07, 6);

  const accelerated = tinyPlan({ method, epochs: 4, rela: rela() });
  for (const switchStep of [null, 9])
    expect(Object.keys(accelerated.scalars(8, { switchStep }))).toEqual(['learningRate']);
  expect(temperature(accelerated.scalars(9, { switchStep: 9 }))).toBeCloseTo(0.04, 6);
  expect(accelerated.scalars(14, { switchStep: 9 })['dino.teacherTemperature']).toEqual(
    control.scalars(6)['dino.teacherTemperature'],
  );
  // To 1 at the end of the run, whenever it began.
  expect(accelerated.scalars(20, { switchStep: 9 })['dino.momentum']!.data[0]).toBeGreaterThan(0.9998);
});

it('holds the prototypes of DINO, and their moments and step count, for the first epoch, and moves them after it', async () => {
  const plan = tinyPlan({ method: MethodSpec.parse(dino) });
  const before = plan.initialState();
  const held = await step(plan, 'method', before);
  const moved = keysThatMoved(before, held.state);
  expect(moved).toContain('head.0.weight');
  expect(moved.filter((key) => /prototypes/i.test(key))).toEqual([]);
  const free = await step(plan, 'method', held.state, plan.scalars(6));
  const then = keysThatMoved(held.state, free.state).filter((key) => /prototypes/i.test(key));
  expect(then).toEqual(
    expect.arrayContaining(['prototypes.weight', 'adamw.m.prototypes.weight', 'target.prototypes.weight']),
  );
  expect(then.filter((key) => key.startsWith('adamw.c'))).toHaveLength(2);
});

it('refuses a supervised run without labels, and ReLA without targets', () => {
  expect(() => tinyPlan({ method: supervised }, { classes: null })).toThrow('needs labels');
  const plan = tinyPlan({ method: byol });
  expect(() => plan.step('rela')(plan.initialState() as never, { view1: {} } as never)).toThrow(
    'no ReLA phase',
  );
});

it("lets the slow network follow with the step's own momentum where there is a schedule", async () => {
  const length = { stepsPerEpoch: 5, totalSteps: 10 };
  const plan = tinyPlan({ method: byol, ema: { base: 0.5, schedule: 'cosine' } }, { length });
  const before = plan.initialState();
  const { state } = await step(plan, 'method', before, plan.scalars(6));
  const key = 'backbone.conv1.weight';
  for (const [index, value] of state[`target.${key}`]!.data.entries())
    expect(value).toBeCloseTo(0.75 * before[key]!.data[index]! + 0.25 * state[key]!.data[index]!, 6);
});

it.each(['sgd', 'lars'] as const)('trains by %s, with a state of that name', async (name) => {
  const plan = tinyPlan({ method: byol, optimizer: OptimizerSpec.parse({ name }) });
  const before = plan.initialState();
  expect(Object.keys(before).some((key) => key.startsWith('adamw.'))).toBe(false);
  const { state } = await step(plan, 'method', before);
  const moved = keysThatMoved(before, state);
  expect(moved).toContain('backbone.conv1.weight');
  expect(moved).toContain(`${name}.v.predictor.0.weight`);
});
