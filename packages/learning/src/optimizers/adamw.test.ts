import { expect, it } from 'vitest';
import { scalar } from '../initial.js';
import { only } from '../names.js';
import { eagerEngine } from '../testing/eager.js';
import { normal } from '../testing/tiny.js';
import { createAdamW } from './adamw.js';

const options = { weightDecay: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };

/** torch.optim.AdamW in float64, as its documentation writes it; t counts the steps of the tensor itself. */
function reference(start: number, gradients: number[], learningRate: number): number {
  const { weightDecay, beta1, beta2, epsilon } = options;
  let parameter = start;
  let m = 0;
  let v = 0;
  for (const [index, gradient] of gradients.entries()) {
    const t = index + 1;
    parameter -= learningRate * weightDecay * parameter;
    m = beta1 * m + (1 - beta1) * gradient;
    v = beta2 * v + (1 - beta2) * gradient ** 2;
    const unbiasedM = m / (1 - beta1 ** t);
    const unbiasedV = v / (1 - beta2 ** t);
    parameter -= (learningRate * unbiasedM) / (Math.sqrt(unbiasedV) + epsilon);
  }
  return parameter;
}

it('agrees with AdamW in float64, also for a tensor that is first trained later', async () => {
  const adamw = createAdamW(options, (key) => key);
  const parameters = { early: normal([2, 3], 1), late: normal([4], 2) };
  const initial = { ...parameters, ...adamw.init(parameters) };
  const engine = await eagerEngine();
  const learningRate = 1e-2;
  const steps = 12;
  const firstLate = 8;
  const gradientsOf = (key: string, step: number) =>
    normal(key === 'early' ? [2, 3] : [4], 100 * step + key.length);
  const train = (keys: string[]) =>
    engine.compile(
      (state, { learningRate: rate, ...gradients }) => ({
        state: adamw.update(
          state,
          only(gradients, (key) => keys.includes(key)),
          rate as never,
        ),
        metrics: {},
      }),
      initial,
      { early: parameters.early, late: parameters.late, learningRate: scalar(0) },
    );
  const [first, second] = [await train(['early']), await train(['early', 'late'])];
  for (let step = 0; step < steps; step++) {
    if (step === firstLate) second.load(await first.state());
    await (step < firstLate ? first : second).run({
      early: gradientsOf('early', step),
      late: gradientsOf('late', step),
      learningRate: scalar(learningRate),
    });
  }
  const state = await second.state();
  await Promise.all([first.dispose(), second.dispose()]);
  await engine.dispose();
  for (const [key, from] of [
    ['early', 0],
    ['late', firstLate],
  ] as const)
    parameters[key].data.forEach((start, index) => {
      const gradients = Array.from(
        { length: steps - from },
        (_, at) => gradientsOf(key, from + at).data[index]!,
      );
      expect(state[key]!.data[index]).toBeCloseTo(reference(start, gradients, learningRate), 6);
    });
});

it('is Adam without weight decay: a tensor without gradient stays where it is', async () => {
  const adam = createAdamW({ ...options, weightDecay: 0 }, () => 'all');
  const parameters = { weight: normal([3], 1) };
  const engine = await eagerEngine();
  const step = await engine.compile(
    (state, { weight, rate }) => ({
      state: adam.update(state, { weight: weight! }, rate as never),
      metrics: {},
    }),
    { ...parameters, ...adam.init(parameters) },
    { weight: parameters.weight, rate: scalar(0) },
  );
  await step.run({ weight: { ...parameters.weight, data: new Float32Array(3) }, rate: scalar(0.1) });
  expect((await step.state()).weight!.data).toEqual(parameters.weight.data);
  await step.dispose();
  await engine.dispose();
});

it('moves nothing in a step of length 0', async () => {
  const adamw = createAdamW(options, (key) => key);
  const parameters = { w: normal([3], 5) };
  const engine = await eagerEngine();
  const step = await engine.compile(
    (state, { g, learningRate }) => ({
      state: adamw.update(state, { w: g! }, learningRate as never),
      metrics: {},
    }),
    { ...parameters, ...adamw.init(parameters) },
    { g: parameters.w, learningRate: scalar(0) },
  );
  // A gradient of 0 beside others: 0 over 0 would be no number.
  await step.run({ g: { ...parameters.w, data: Float32Array.of(0, 1, -1) }, learningRate: scalar(0) });
  expect((await step.state()).w!.data).toEqual(parameters.w.data);
  await engine.dispose();
});
