import type { Tensor1D, Tensor4D } from '@tensorflow/tfjs-core';
import * as ort from 'onnxruntime-node';
import { expect, it } from 'vitest';
import { exportOnnx } from './export.js';
import type { Tensors } from './tensors.js';
import { numbers, tensorOf } from './testing/compare.js';
import { tf } from './tf.js';

const weights = { filter: tensorOf(1, [3, 3, 2, 4]), scale: tensorOf(2, [4]), dense: tensorOf(3, [4, 3]) };

function network({ images }: Tensors, w: Tensors): Tensors {
  const h = tf.relu(
    tf.mul(tf.conv2d(images as Tensor4D, w.filter as Tensor4D, 2, 'same'), w.scale as Tensor1D),
  );
  const pooled = tf.reshape(tf.mean(h, [1, 2]), [-1, 4]);
  return { features: tf.matMul(pooled as never, w.dense as never) };
}

const inputs = { images: { shape: [1, 8, 8, 2], dtype: 'float32' as const } };

async function run(model: Uint8Array, images: Float32Array, dims: number[]): Promise<number[]> {
  const session = await ort.InferenceSession.create(model);
  const { features } = await session.run({ images: new ort.Tensor('float32', images, dims) });
  return Array.from(features!.data as Float32Array);
}

function expected(count: number, images: Float32Array): number[] {
  return tf.tidy(() => {
    const w = Object.fromEntries(
      Object.entries(weights).map(([name, t]) => [name, tf.tensor(t.data, t.shape)]),
    );
    return Array.from(network({ images: tf.tensor(images, [count, 8, 8, 2]) }, w).features!.dataSync());
  });
}

/** [N, H, W, C] → [N, C, H, W] */
function toNchw(images: Float32Array, count: number): Float32Array {
  return tf.tidy(
    () => tf.transpose(tf.tensor(images, [count, 8, 8, 2]), [0, 3, 1, 2]).dataSync() as Float32Array,
  );
}

it('an exported model takes any batch size and gives the numbers of TF.js', async () => {
  await tf.setBackend('cpu');
  const model = exportOnnx(network, { inputs, weights });
  for (const count of [1, 5]) {
    const images = numbers(count, count * 128);
    const features = await run(model, toNchw(images, count), [count, 2, 8, 8]);
    const wanted = expected(count, images);
    expect(features).toHaveLength(wanted.length);
    for (const [index, value] of features.entries()) expect(value).toBeCloseTo(wanted[index]!, 4);
  }
});

it('an exported model can keep TF.js’s order of axes', async () => {
  await tf.setBackend('cpu');
  const model = exportOnnx(network, { inputs, weights, layout: 'nhwc' });
  const images = numbers(7, 2 * 128);
  const features = await run(model, images, [2, 8, 8, 2]);
  for (const [index, value] of features.entries()) expect(value).toBeCloseTo(expected(2, images)[index]!, 4);
});

it('what fixes the batch size is named with its line', () => {
  const fixed = ({ images }: Tensors) => ({ y: tf.reshape(images!, [images!.shape[0]! * 2, 64]) });
  const mixed = ({ images }: Tensors) => ({ y: tf.tile(tf.reshape(images!, [-1]), [images!.shape[0]!]) });
  expect(() => exportOnnx(fixed, { inputs, weights: {} })).not.toThrow();
  expect(() => exportOnnx(mixed, { inputs, weights: {} })).toThrow(/Tile at .*export\.test\.ts:\d+/);
});
