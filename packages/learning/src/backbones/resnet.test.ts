import { type HostTensors, tf } from '@rela/engine';
import { createRandom } from '@rela/random';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { numbers, runOnce } from '../testing/eager.js';
import { normal, tinyBackbone } from '../testing/tiny.js';
import { type Backbone, createBackbone } from './backbone.js';
import { createResnet } from './resnet.js';

/** Features of [B, H, W, C] images by the running statistics. */
function featuresOf(backbone: Backbone, weights: HostTensors, images: () => Tensor4D): Promise<number[]> {
  return numbers(() => {
    const tensors = Object.fromEntries(
      Object.entries(weights).map(([key, { data, shape }]) => [key, tf.tensor(data as Float32Array, shape)]),
    );
    return backbone.forward(tensors, images(), 'inference').features;
  });
}

const size = (shape: number[]) => shape.reduce((product, side) => product * side, 1);

it("has torchvision's names, and its number of parameters", () => {
  const backbone = createBackbone({ name: 'resnet18', stem: 'standard' }, { size: 224, channels: 3 });
  const weights = backbone.init(createRandom(0));
  const parameters = Object.entries(weights).filter(([key]) => backbone.trainable(key));
  expect(parameters.reduce((sum, [, { shape }]) => sum + size(shape), 0)).toBe(11_176_512);
  expect(parameters).toHaveLength(60);
  expect(Object.keys(weights)).toHaveLength(100);
  expect(weights['layer2.0.downsample.0.weight']!.shape).toEqual([1, 1, 64, 128]);
  expect(weights['layer4.1.bn2.running_var']!.shape).toEqual([512]);
  expect(weights['conv1.weight']!.shape).toEqual([7, 7, 3, 64]);
  expect(backbone.width).toBe(512);
});

it.each([
  ['resnet34', 21_284_672, 512],
  ['resnet50', 23_508_032, 2048],
] as const)("has torchvision's number of parameters as %s, without its classifier", (name, count, width) => {
  const backbone = createBackbone({ name, stem: 'standard' }, { size: 224, channels: 3 });
  const weights = backbone.init(createRandom(0));
  const parameters = Object.entries(weights).filter(([key]) => backbone.trainable(key));
  expect(parameters.reduce((sum, [, { shape }]) => sum + size(shape), 0)).toBe(count);
  expect(backbone.width).toBe(width);
});

it('halves the resolution of a bottleneck in its middle convolution', async () => {
  const backbone = createResnet({
    spec: { name: 'resnet50', stem: 'modified' },
    stem: 'modified',
    block: 'bottleneck',
    channels: 1,
    stages: [
      { width: 2, blocks: 1 },
      { width: 3, blocks: 2 },
    ],
  });
  const weights = backbone.init(createRandom(1));
  expect(weights['layer2.0.conv1.weight']!.shape).toEqual([1, 1, 8, 3]);
  expect(weights['layer2.0.conv2.weight']!.shape).toEqual([3, 3, 3, 3]);
  expect(weights['layer2.1.conv3.weight']!.shape).toEqual([1, 1, 3, 12]);
  expect(weights['layer2.0.downsample.0.weight']!.shape).toEqual([1, 1, 8, 12]);
  const features = await featuresOf(backbone, weights, () => tf.ones([2, 8, 8, 1]));
  expect(features).toHaveLength(2 * 12);
  expect(features.every(Number.isFinite)).toBe(true);
});

it('takes the modified stem up to 64 pixels, where nobody says which', () => {
  const kernel = (pixels: number) => {
    const backbone = createBackbone({ name: 'resnet18-narrow', stem: 'auto' }, { size: pixels, channels: 1 });
    return backbone.init(createRandom(0))['conv1.weight']!.shape[0];
  };
  expect([28, 64, 65, 224].map(kernel)).toEqual([3, 3, 7, 7]);
});

it('starts convolutions at the variance of He et al., the same for the same seed', () => {
  const backbone = createBackbone({ name: 'resnet18-narrow', stem: 'modified' }, { size: 28, channels: 1 });
  const [weights, again] = [backbone.init(createRandom(5)), backbone.init(createRandom(5))];
  const data = [...weights['layer4.1.conv2.weight']!.data];
  const variance = data.reduce((sum, value) => sum + value ** 2, 0) / data.length;
  expect(variance / (2 / (9 * 128))).toBeCloseTo(1, 1);
  expect(Object.keys(again)).toEqual(Object.keys(weights));
  for (const key of ['conv1.weight', 'layer3.0.downsample.0.weight'])
    expect(again[key]).toEqual(weights[key]);
});

it('halves the resolution as PyTorch does: padding 1 on every side, also at stride 2', async () => {
  const backbone = createResnet({
    spec: { name: 'resnet18-narrow', stem: 'modified' },
    stem: 'modified',
    block: 'basic',
    channels: 1,
    stages: [
      { width: 1, blocks: 1 },
      { width: 1, blocks: 1 },
    ],
  });
  const weights = backbone.init(createRandom(1));
  const tap = (key: string, index: number | null) => {
    weights[key]!.data.fill(0);
    if (index !== null) weights[key]!.data[index] = 1;
  };
  // All but the first convolution of the second stage hand x through; that one hands on the pixel up and to the left.
  tap('conv1.weight', 4);
  tap('layer1.0.conv1.weight', null);
  tap('layer1.0.conv2.weight', null);
  tap('layer2.0.conv1.weight', 0);
  tap('layer2.0.conv2.weight', 4);
  tap('layer2.0.downsample.0.weight', null);
  const image = Array.from({ length: 16 }, (_, index) => index + 1);
  const [feature] = await featuresOf(backbone, weights, () => tf.tensor4d(image, [1, 4, 4, 1]));
  // Of the 2 × 2 outputs, three look over the edge; the last sees row 1, column 1. Three batch norms have variance 1 + ε.
  expect(feature).toBeCloseTo(image[5]! / 4 / (1 + 1e-5) ** 1.5, 6);
});

it('runs in both stems at odd sizes', async () => {
  for (const [stem, pixels] of [
    ['modified', 9],
    ['standard', 33],
  ] as const) {
    const backbone = createBackbone({ name: 'resnet18-narrow', stem }, { size: pixels, channels: 1 });
    const weights = backbone.init(createRandom(1));
    const features = await featuresOf(backbone, weights, () => tf.ones([2, pixels, pixels, 1]));
    expect(features).toHaveLength(2 * 128);
    expect(features.every(Number.isFinite)).toBe(true);
  }
});

it('moves the running statistics by a tenth, the variance unbiased', async () => {
  const backbone = tinyBackbone();
  const weights = backbone.init(createRandom(1));
  const images = normal([3, 4, 4, 1], 2);
  const { state } = await runOnce(
    (tensors, { x }) => ({
      state: backbone.forward(tensors, x as never, 'training').statistics,
      metrics: {},
    }),
    weights,
    { x: images },
  );
  // The stem by hand: 3×3, stride 1, padding 1, one input channel.
  const filter = weights['conv1.weight']!.data;
  const channel = 2;
  const values: number[] = [];
  for (let image = 0; image < 3; image++)
    for (let row = 0; row < 4; row++)
      for (let column = 0; column < 4; column++) {
        let sum = 0;
        for (let i = 0; i < 3; i++)
          for (let j = 0; j < 3; j++) {
            const [y, x] = [row + i - 1, column + j - 1];
            if (y < 0 || y > 3 || x < 0 || x > 3) continue;
            sum += images.data[image * 16 + y * 4 + x]! * filter[(i * 3 + j) * 4 + channel]!;
          }
        values.push(sum);
      }
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const unbiased = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1);
  expect(state['bn1.running_mean']!.data[channel]).toBeCloseTo(0.1 * mean, 6);
  expect(state['bn1.running_var']!.data[channel]).toBeCloseTo(0.9 + 0.1 * unbiased, 6);
  expect(Object.keys(state).filter((key) => !backbone.trainable(key))).toHaveLength(12);
});

it('gives the features of one image whatever else is in the batch, at inference', async () => {
  const backbone = tinyBackbone();
  const weights = backbone.init(createRandom(1));
  const features = (images: number) =>
    numbers(() => {
      const tensors = Object.fromEntries(
        Object.entries(weights).map(([key, { data, shape }]) => [
          key,
          tf.tensor(data as Float32Array, shape),
        ]),
      );
      const x = tf.tensor4d(normal([3, 8, 8, 1], 7).data.slice(0, images * 64), [images, 8, 8, 1]);
      return backbone.forward(tensors, x, 'inference').features;
    });
  const [alone, together] = [await features(1), await features(3)];
  for (const [index, value] of alone.entries()) expect(together[index]).toBeCloseTo(value, 6);
});
