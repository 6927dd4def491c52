/** Gradients written by hand against those that TF.js takes through the definitions. */
import type { Rank, Tensor, Tensor1D } from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import type { StepFunction } from '../tensors.js';
import { onBothEngines, tensorOf, worstOf } from '../testing/compare.js';
import { tf } from '../tf.js';
import { attention } from './attention.js';
import { gelu } from './gelu.js';
import { groupNorm, layerNorm } from './layer-norm.js';
import { stopGradient } from './stop-gradient.js';

type Norm = (x: Tensor, gamma: Tensor1D, beta: Tensor1D) => Tensor;

const gradients =
  (normalise: Norm): StepFunction =>
  (_, { x, g, b, w }) => {
    const { value, grads } = tf.valueAndGrads(((...t: Tensor[]) =>
      tf.sum(tf.mul(tf.square(normalise(t[0]!, t[1] as Tensor1D, t[2] as Tensor1D)), w!))) as never)([
      x!,
      g!,
      b!,
    ]);
    return { state: {}, metrics: { value, dx: grads[0]!, dg: grads[1]!, db: grads[2]! } };
  };

const batch = {
  x: tensorOf(1, [3, 4, 2, 6], 0, 2),
  g: tensorOf(2, [6]),
  b: tensorOf(3, [6]),
  w: tensorOf(4, [3, 4, 2, 6]),
};

const defined = (x: Tensor, axes: number[]) => {
  const { mean, variance } = tf.moments(x, axes, true);
  return tf.div(tf.sub(x, mean), tf.sqrt(tf.add(variance, 1e-5)));
};

it.each<[string, Norm, Norm]>([
  ['layer norm', (x, g, b) => layerNorm(x, g, b, 1e-5), (x, g, b) => tf.add(tf.mul(defined(x, [3]), g), b)],
  [
    'group norm',
    (x, g, b) => groupNorm(x, g, b, { groups: 2, epsilon: 1e-5 }),
    (x, g, b) => {
      const grouped = defined(tf.reshape(x, [3, 8, 2, 3]), [1, 3]);
      return tf.add(tf.mul(tf.reshape(grouped, x.shape), g), b);
    },
  ],
  [
    'GELU',
    (x, g, b) => gelu(tf.add(tf.mul(x, g), b)),
    (x, g, b) => {
      const z = tf.add(tf.mul(x, g), b);
      return tf.mul(tf.mul(z, 0.5), tf.add(tf.erf(tf.div(z, Math.SQRT2)), 1));
    },
  ],
])('the hand-written gradient of %s is that of its definition', async (_, byHand, byDefinition) => {
  const { compiled, eager } = await onBothEngines(gradients(byHand), {}, [batch]);
  const expected = (await onBothEngines(gradients(byDefinition), {}, [batch])).eager.metrics;
  expect(worstOf(compiled.metrics, expected).difference).toBeLessThan(1e-4);
  expect(worstOf(eager.metrics, expected).difference).toBeLessThan(1e-4);
});

it('refuses groups that do not divide the channels', () => {
  expect(() =>
    groupNorm(tf.zeros([1, 2, 6]), tf.zeros([6]), tf.zeros([6]), { groups: 4, epsilon: 1e-5 }),
  ).toThrow('6 channels cannot be divided into 4 groups');
});

it('no gradient flows through stopGradient', async () => {
  const step: StepFunction = (_, { x }) => {
    const { grads } = tf.valueAndGrads(((t: Tensor) => tf.sum(tf.mul(t, stopGradient(t)))) as never)([x!]);
    return { state: {}, metrics: { dx: grads[0]! } };
  };
  const { compiled, eager } = await onBothEngines(step, {}, [{ x: batch.x }]);
  // Of x² it would be 2x.
  expect(compiled.metrics.dx!.data).toEqual(batch.x.data);
  expect(eager.metrics.dx!.data).toEqual(batch.x.data);
});

it('refuses heads that do not divide the width', () => {
  const x = tf.zeros<Rank.R3>([1, 2, 6]);
  expect(() => attention(x, x, x, 4)).toThrow('a width of 6 cannot be divided into 4 heads');
});
