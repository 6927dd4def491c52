/** Random numbers inside a step, by key and counter. */
import type { Tensor1D } from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import type { HostTensor, StepFunction } from '../tensors.js';
import { onBothEngines, worstOf } from '../testing/compare.js';
import { tf } from '../tf.js';
import * as ops from './index.js';
import { philox } from './philox.js';

const pair = (...words: [number, number]): HostTensor => ({
  ...{ shape: [2], dtype: 'int32' },
  data: Int32Array.from(words),
});

/** Both kinds of numbers of one draw, on both engines. */
const draw = (key: HostTensor, counter: HostTensor, shape = [3, 7, 5]) => {
  const step: StepFunction = (_, batch) => {
    const stream = [batch.key as Tensor1D, batch.counter as Tensor1D] as const;
    return {
      state: {},
      metrics: { uniform: ops.randomUniform(shape, ...stream), normal: ops.randomNormal(shape, ...stream) },
    };
  };
  return onBothEngines(step, {}, [{ key, counter }]);
};

it('is Philox4x32-10: the words of the known answer tests of Random123', () => {
  expect(philox([0, 0, 0, 0], [0, 0])).toEqual([0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
  expect(philox([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0])).toEqual([
    0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1,
  ]);
});

it('draws the same uniform numbers compiled and op by op, bit for bit, also from negative words', async () => {
  for (const [key, counter] of [
    [pair(0, 0), pair(0, 0)],
    [pair(-1, 7), pair(-2147483648, 3)],
  ] as const) {
    const { compiled, eager } = await draw(key, counter);
    expect(compiled.metrics.uniform).toEqual(eager.metrics.uniform);
    const normal = { normal: eager.metrics.normal! };
    expect(worstOf(compiled.metrics, normal).difference).toBeLessThan(1e-6);
  }
});

it('draws other numbers for every key and every counter', async () => {
  const draws = await Promise.all(
    [
      [pair(1, 2), pair(3, 4)],
      [pair(2, 2), pair(3, 4)],
      [pair(1, 3), pair(3, 4)],
      [pair(1, 2), pair(4, 4)],
      [pair(1, 2), pair(3, 5)],
    ].map(async ([key, counter]) => (await draw(key!, counter!)).eager.metrics.uniform!.data.join()),
  );
  expect(new Set(draws).size).toBe(draws.length);
});

it('draws uniform and normal numbers of the right moments', async () => {
  const { uniform, normal } = (await draw(pair(5, 0), pair(1, 0), [20_000])).compiled.metrics;
  const mean = (data: ArrayLike<number>, power: number) =>
    Array.from(data).reduce((sum, value) => sum + value ** power, 0) / data.length;
  // Five standard errors of each mean.
  const near = (found: number, expected: number, variance: number) =>
    expect(Math.abs(found - expected)).toBeLessThan(5 * Math.sqrt(variance / 20_000));
  near(mean(uniform!.data, 1), 1 / 2, 1 / 12);
  near(mean(uniform!.data, 2), 1 / 3, 4 / 45);
  near(mean(normal!.data, 1), 0, 1);
  near(mean(normal!.data, 2), 1, 2);
  near(mean(normal!.data, 4), 3, 96);
});

it('refuses a key that is not two words, and says what to give', () => {
  expect(() => ops.randomUniform([2], tf.tensor1d([1]), tf.tensor1d([1, 2], 'int32'))).toThrow(
    /key is float32 \[1\].*int32 of shape \[2\]/,
  );
});
