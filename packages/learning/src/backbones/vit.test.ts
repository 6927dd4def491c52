import { type HostTensors, tf } from '@rela/engine';
import { createRandom } from '@rela/random';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { numbers } from '../testing/eager.js';
import { normal, tinyVit } from '../testing/tiny.js';
import { type Backbone, createBackbone } from './backbone.js';

const size = (shape: number[]) => shape.reduce((product, side) => product * side, 1);

const parameters = (weights: HostTensors) =>
  Object.values(weights).reduce((sum, { shape }) => sum + size(shape), 0);

/**
 * Dosovitskiy et al. 2021, equations 1 to 4, by hand, for n patches of p inputs and D wide: patches p·D + D, class token D,
 * positions (n + 1)·D; a block has norms 2·2D, attention 4D² + 4D without the D biases of its keys, an MLP 8D² + 5D; a last norm 2D.
 */
function parametersByTheEquations({ n, p, D, depth }: { n: number; p: number; D: number; depth: number }) {
  const block = 4 * D + (4 * D ** 2 + 3 * D) + (8 * D ** 2 + 5 * D);
  return p * D + D + D + (n + 1) * D + depth * block + 2 * D;
}

// Touvron et al. 2021, table 1: 5 M and 22 M; timm's deit_tiny_patch16_224 and deit_small_patch16_224 have these with a classifier of
// 1000 classes and the biases of their keys.
it.each([
  { name: 'vit-tiny', D: 192, parametersOfTimm: 5_717_416 },
  { name: 'vit-small', D: 384, parametersOfTimm: 22_050_664 },
] as const)(
  "$name has the number of parameters that the equations and timm say, under timm's names",
  (vit) => {
    const { name, D, parametersOfTimm } = vit;
    const backbone = createBackbone({ name, stem: 'auto' }, { size: 224, channels: 3 });
    const weights = backbone.init(createRandom(0));
    const count = parameters(weights);
    expect(count).toBe(parametersByTheEquations({ n: 14 ** 2, p: 16 * 16 * 3, D, depth: 12 }));
    expect(count + D * 1000 + 1000 + 12 * D).toBe(parametersOfTimm);
    expect(weights['blocks.11.attn.qkv.weight']!.shape).toEqual([D, 3 * D]);
    expect(weights.pos_embed!.shape).toEqual([1, 197, D]);
    expect(backbone.width).toBe(D);
  },
);

it('cuts images up to 64 pixels into patches of 4, larger ones into patches of 16', () => {
  const places = (pixels: number) =>
    createBackbone({ name: 'vit-tiny', stem: 'auto' }, { size: pixels, channels: 1 }).init(createRandom(0))
      .pos_embed!.shape[1]! - 1;
  expect([28, 32, 64, 96].map(places)).toEqual([49, 64, 256, 36]);
});

function featuresOf(backbone: Backbone, weights: HostTensors, images: () => Tensor4D): Promise<number[]> {
  return numbers(() => {
    const tensors = Object.fromEntries(
      Object.entries(weights).map(([key, { data, shape }]) => [key, tf.tensor(data as Float32Array, shape)]),
    );
    return backbone.forward(tensors, images(), 'inference').features;
  });
}

it('sees every pixel at its place: moved or changed, in any patch, it changes the features', async () => {
  const backbone = tinyVit(1, 10);
  const weights = backbone.init(createRandom(2));
  // As a trained network has them: fresh ones hardly tell places apart.
  weights.pos_embed = normal(weights.pos_embed!.shape, 5);
  const { data } = normal([1, 10, 10, 1], 7);
  const seen = (pixels: Float32Array) =>
    featuresOf(backbone, weights, () => tf.tensor4d(pixels, [1, 10, 10, 1]));
  const plain = await seen(data);
  expect(plain).toHaveLength(8);
  for (const place of [0, 45, 99]) {
    const changed = data.slice();
    changed[place] = changed[place]! + 3;
    expect(await seen(changed)).not.toEqual(plain);
  }
});

it('attends to patches whatever their order, but for the positions that it learned', async () => {
  const backbone = tinyVit();
  const weights = backbone.init(createRandom(2));
  weights.pos_embed!.data.fill(0);
  const { data } = normal([1, 8, 8, 1], 7);
  // The upper half of the image below the lower half: the four patches change places.
  const turned = Float32Array.from([...data.slice(32), ...data.slice(0, 32)]);
  const of = (pixels: Float32Array) => featuresOf(backbone, weights, () => tf.tensor4d(pixels, [1, 8, 8, 1]));
  const [plain, other] = [await of(data), await of(turned)];
  for (const [index, value] of plain.entries()) expect(other[index]).toBeCloseTo(value, 5);
});

it('takes images of another size, as small crops are, and has the mean over its patches as features where it is asked to', async () => {
  const backbone = tinyVit();
  const weights = backbone.init(createRandom(2));
  const { data } = normal([1, 5, 5, 1], 7);
  expect(await featuresOf(backbone, weights, () => tf.tensor4d(data, [1, 5, 5, 1]))).toHaveLength(8);

  const image = { size: 8, channels: 1 };
  const mean = createBackbone({ name: 'vit-tiny', stem: 'modified', pool: 'mean' }, image);
  const drawn = mean.init(createRandom(2));
  const pixels = normal([2, 8, 8, 1], 7).data;
  const tensors = () =>
    Object.fromEntries(
      Object.entries(drawn).map(([key, { data, shape }]) => [key, tf.tensor(data as Float32Array, shape)]),
    );
  const images = () => tf.tensor4d(pixels, [2, 8, 8, 1]);
  const features = await featuresOf(mean, drawn, images);
  const tokens = await numbers(() => {
    const { embed, encode } = mean.patches!;
    return encode(tensors(), embed(tensors(), images()));
  });
  // Four patches behind the class token, 192 wide.
  for (const [row, at] of [
    [0, 0],
    [1, 191],
  ] as const) {
    const of = (token: number) => tokens[(row * 5 + token) * 192 + at]!;
    expect(features[row * 192 + at]).toBeCloseTo((of(1) + of(2) + of(3) + of(4)) / 4, 5);
  }
});
