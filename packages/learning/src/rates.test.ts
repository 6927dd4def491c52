import { BlendSpec, OptimizerSpec, ScheduleSpec } from '@rela/contracts';
import { expect, it } from 'vitest';
import { blendWeight, learningRates, slowMomenta } from './rates.js';

const length = { stepsPerEpoch: 10, totalSteps: 100 };
const rates = (schedule: object | undefined, more: object = {}) =>
  learningRates(
    {
      optimizer: OptimizerSpec.parse({ learningRate: 0.4, ...more }),
      batchSize: 512,
      ...(schedule ? { schedule: ScheduleSpec.parse(schedule) } : {}),
    },
    length,
  );

it('keeps the learning rate where there is no schedule, without knowing how long the run is', () => {
  const optimizer = OptimizerSpec.parse({ learningRate: 0.4 });
  const rate = learningRates({ optimizer, batchSize: 512 }, undefined);
  expect([rate(1), rate(100_000)]).toEqual([0.4, 0.4]);
});

it('rises in equal steps to the learning rate, and reaches it with the last step of the warm-up', () => {
  for (const name of ['constant', 'cosine', 'linear']) {
    const rate = rates({ name, warmupEpochs: 0.5 });
    expect([1, 2, 3, 4, 5, 6].map(rate).map((value) => value.toFixed(9))).toEqual(
      [0.08, 0.16, 0.24, 0.32, 0.4, 0.4].map((value) => value.toFixed(9)),
    );
  }
});

it('gives a blend its whole weight at the first step of the method, and the share that is left behind the last', () => {
  const weights = (spec: object) =>
    [1, 6, 11].map((step) => blendWeight(BlendSpec.parse(spec), { step, totalSteps: 10 }));
  expect(weights({ weight: 2 })).toEqual([2, 2, 2]);
  expect(weights({ weight: 2, schedule: 'linear' })).toEqual([2, 1, 0]);
  const [first, middle, last] = weights({ weight: 2, schedule: 'cosine', final: 0.5 });
  expect([first, last]).toEqual([2, 1]);
  expect(middle).toBeCloseTo(1.5, 12);
});

it('falls by a cosine or by a line to the share that is left', () => {
  const cosine = rates({ name: 'cosine', warmupEpochs: 1, final: 0.1 });
  expect(cosine(11 + 45)).toBeCloseTo(0.4 * 0.55, 12);
  expect(cosine(101)).toBeCloseTo(0.04, 12);
  const line = rates({ name: 'linear', final: 0.25 });
  expect(line(51)).toBeCloseTo(0.4 * (1 - 0.75 / 2), 12);
  expect(line(101)).toBeCloseTo(0.1, 12);
});

it('scales the learning rate by batch / 256 where that is asked for', () => {
  expect(rates(undefined, { scaling: 'linear' })(1)).toBeCloseTo(0.8, 12);
  expect(rates(undefined, { scaling: 'none' })(1)).toBe(0.4);
});

it('refuses a schedule without the length of the run', () => {
  const schedule = ScheduleSpec.parse({ name: 'cosine' });
  const training = { optimizer: OptimizerSpec.parse({}), batchSize: 2, schedule };
  expect(() => learningRates(training, undefined)).toThrow('depends on its length');
});

it("raises the slow network's momentum from its base to 1 by a cosine", () => {
  const method = { name: 'byol' as const, momentum: 0.99, projection: 256 };
  expect(slowMomenta({ method }, length)).toBeNull();
  const scheduled = slowMomenta({ method, ema: { schedule: 'cosine', base: 0.9 } }, length)!;
  expect(scheduled(1)).toBeCloseTo(0.9, 12);
  expect(scheduled(51)).toBeCloseTo(0.95, 12);
  expect(scheduled(101)).toBeCloseTo(1, 12);
  expect(slowMomenta({ method, ema: { schedule: 'constant' } }, undefined)!(7)).toBe(0.99);
});
