import type { Tensor, Tensor1D, Tensor4D } from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import * as ops from '../ops/index.js';
import { recordStep } from '../running/compiled.js';
import type { StepFunction } from '../tensors.js';
import { onBothEngines, tensorOf, worstOf } from '../testing/compare.js';
import { tf } from '../tf.js';
import { fuseChannels } from './fuse-channels.js';

const batch = {
  x: tensorOf(1, [4, 6, 5, 16]),
  w1: tensorOf(2, [3, 3, 16, 16], -0.3, 0.3),
  w2: tensorOf(3, [3, 3, 16, 16], -0.3, 0.3),
  scale: tensorOf(4, [16], 0.5, 1.5),
  shift: tensorOf(5, [16]),
};

/** A residual block, of which also the second ReLU's input is looked at where `peek` says so. */
const block =
  (peek: boolean): StepFunction =>
  (_, inputs) => {
    const { x, w1, w2, scale, shift } = inputs as Record<string, Tensor>;
    const loss = (...[a, u, v, g, b]: Tensor[]) => {
      const conv = (value: Tensor, filter: Tensor) =>
        tf.conv2d(value as Tensor4D, filter as Tensor4D, 1, 'same');
      const norm = (value: Tensor) => ops.batchNormTraining(value, g as Tensor1D, b as Tensor1D, 1e-5).y;
      const first = tf.relu(norm(conv(a!, u!)));
      const sum = tf.add(norm(conv(first, v!)), first);
      const y = tf.sum(tf.square(tf.relu(sum)));
      return peek ? tf.add(y, tf.mean(tf.sub(sum, tf.mean(sum, [0, 1, 2])))) : y;
    };
    const { value, grads } = tf.valueAndGrads(loss as never)([x!, w1!, w2!, scale!, shift!]);
    return { state: {}, metrics: { value, ...Object.fromEntries(grads.map((g, i) => [`g${i}`, g])) } };
  };

for (const peek of [false, true])
  it(`a residual block${peek ? ' whose sum is read twice' : ''} gives the numbers of the TF.js CPU backend`, async () => {
    const { compiled, eager } = await onBothEngines(block(peek), {}, [batch]);
    const { key, difference } = worstOf(compiled.metrics, eager.metrics);
    expect(difference, `of ${key}`).toBeLessThan(1e-4);
  });

it('batch norm, residual and ReLU become one op, and products are summed without being made', () => {
  const graph = recordStep(block(false), {}, batch);
  const fused = fuseChannels(graph, 16);
  const maps = fused.nodes.filter(({ outputs }) => outputs[0]!.shape.length === 4);
  const affine = maps.filter(({ op }) => op === 'ChannelAffine');
  expect(
    affine.some(({ attributes, inputs }) => attributes.activation === 'Relu' && inputs.length === 4),
  ).toBe(true);
  expect(fused.nodes.some(({ op, inputs }) => op === 'ChannelSum' && inputs.length === 2)).toBe(true);
  expect(maps.filter(({ op }) => op === 'Relu' || op === 'Sub')).toHaveLength(0);
});

it('maps that do not fill blocks of channels stay as they are', () => {
  const graph = recordStep(block(false), {}, batch);
  expect(fuseChannels(graph, 32).nodes.map(({ op }) => op)).toEqual(graph.nodes.map(({ op }) => op));
});
