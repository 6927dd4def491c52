import type { Tensor, Tensor4D } from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { recordStep } from '../running/compiled.js';
import type { StepFunction } from '../tensors.js';
import { onBothEngines, tensorOf, worstOf } from '../testing/compare.js';
import { tf } from '../tf.js';
import { fuseChannels } from './fuse-channels.js';

const batch = {
  x: tensorOf(1, [2, 6, 6, 16]),
  w: tensorOf(2, [3, 3, 16, 1]),
  // So that a third of the places each lies below 0, between, and above 6.
  scale: tensorOf(3, [16], 6, 9),
  shift: tensorOf(4, [16], 2, 4),
};

/** A depthwise convolution, a factor and a summand a channel, and a ReLU6. */
const step: StepFunction = (_, inputs) => {
  const { x, w, scale, shift } = inputs as Record<string, Tensor>;
  const loss = (...[a, u, s, b]: Tensor[]) => {
    const map = tf.depthwiseConv2d(a as Tensor4D, u as Tensor4D, 1, 'same');
    return tf.sum(tf.square(tf.relu6(tf.add(tf.mul(map, s!), b!))));
  };
  const { value, grads } = tf.valueAndGrads(loss as never)([x!, w!, scale!, shift!]);
  return { state: {}, metrics: { value, ...Object.fromEntries(grads.map((g, i) => [`g${i}`, g])) } };
};

it('the slope of a ReLU6 is one op, told from its result', () => {
  const { nodes } = recordStep(step, {}, batch);
  const relu6 = nodes.find(({ op }) => op === 'Relu6')!;
  const slopes = nodes.filter(({ op }) => op === 'Relu6Slope');
  expect(slopes.map(({ inputs }) => inputs)).toEqual([[relu6.outputs[0]]]);
  expect(nodes.filter(({ op }) => op === 'LessEqual' || op === 'Step')).toEqual([]);
});

it('where maps stand in blocks, factor, summand and ReLU6 behind a depthwise convolution are one op', () => {
  const { nodes } = fuseChannels(recordStep(step, {}, batch), 16);
  expect(
    nodes.filter(({ op }) => op === 'ChannelAffine').map(({ attributes }) => attributes.activation),
  ).toContain('Relu6');
  expect(nodes.filter(({ op }) => op === 'Relu6')).toEqual([]);
});

it.each([true, false])('gives the numbers of the TF.js CPU backend, in blocks: %s', async (blocked) => {
  const { compiled, eager } = await onBothEngines(step, {}, [batch], { blocked });
  const { key, difference } = worstOf(compiled.metrics, eager.metrics);
  expect(difference, `of ${key}`).toBeLessThan(1e-4);
});

it('leaves a comparison with another limit, and a leaky step, as they are', () => {
  const masks: StepFunction = (_, { x }) => {
    const mask = (limit: number, alpha: number) =>
      tf.mul(tf.cast(tf.lessEqual(x!, limit), 'float32'), tf.step(x!, alpha));
    return { state: {}, metrics: { five: mask(5, 0), leaky: mask(6, 0.1) } };
  };
  const { nodes } = recordStep(masks, {}, { x: batch.x });
  expect(nodes.filter(({ op }) => op === 'Relu6Slope')).toEqual([]);
});
