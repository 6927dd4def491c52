import type { Engine } from '@rela/engine';
import { createRandom } from '@rela/random';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { inMemory } from './feature-source.js';
import { knnPredict } from './knn.js';
import { eagerEngine } from './testing/eager.js';
import { normal } from './testing/tiny.js';

let engine: Engine;
beforeAll(async () => {
  engine = await eagerEngine();
});
afterAll(() => engine.dispose());

const classes = 4;
const width = 6;

/** Every cosine in float64, sorted whole. */
function naive(
  train: { features: Float32Array; labels: Int32Array },
  test: Float32Array,
  { k, temperature }: { k: number; temperature: number },
): number[] {
  const row = (features: Float32Array, index: number) => {
    const values = [...features.subarray(index * width, (index + 1) * width)];
    const length = Math.hypot(...values);
    return values.map((value) => value / length);
  };
  return Array.from({ length: test.length / width }, (_, query) => {
    const q = row(test, query);
    const neighbours = [...train.labels.keys()]
      .filter((index) => train.labels[index]! >= 0)
      .map((index) => ({
        label: train.labels[index]!,
        cosine: row(train.features, index).reduce((sum, value, at) => sum + value * q[at]!, 0),
      }))
      .sort((a, b) => b.cosine - a.cosine)
      .slice(0, k);
    const votes = new Array<number>(classes).fill(0);
    for (const { label, cosine } of neighbours) votes[label]! += Math.exp(cosine / temperature);
    return votes.indexOf(Math.max(...votes));
  });
}

const labels = (count: number) => {
  const random = createRandom(9, 'labels');
  return Int32Array.from({ length: count }, () => random.int(classes + 1) - 1);
};

const unlabelled = (features: Float32Array) => ({
  features,
  labels: new Int32Array(features.length / width).fill(-1),
  width,
});

it('agrees with the naive rule over several blocks of queries and keys', async () => {
  const train = { features: normal([6000, width], 1).data, labels: labels(6000), width };
  const test = unlabelled(normal([530, width], 2).data);
  const options = { k: 20, temperature: 0.07 };
  const predicted = await knnPredict({
    engine,
    train: inMemory(train),
    test: inMemory(test),
    classes,
    ...options,
  });
  expect([...predicted]).toEqual(naive(train, test.features, options));
});

it('takes every neighbour there is where k is larger', async () => {
  const train = { features: normal([5, width], 3).data, labels: Int32Array.of(0, 1, 2, 1, -1), width };
  const test = unlabelled(normal([7, width], 4).data);
  const options = { k: 20, temperature: 0.5 };
  const predicted = await knnPredict({
    engine,
    train: inMemory(train),
    test: inMemory(test),
    classes,
    ...options,
  });
  expect([...predicted]).toEqual(naive(train, test.features, options));
});

it('finds a training image among its own kind, whatever the length of its features', async () => {
  const train = {
    features: normal([50, width], 5).data,
    labels: Int32Array.from({ length: 50 }, (_, row) => row % classes),
    width,
  };
  const longer = train.features.map((value) => 1000 * value);
  const predicted = await knnPredict({
    engine,
    train: inMemory(train),
    test: inMemory(unlabelled(longer)),
    classes,
    k: 1,
    temperature: 0.07,
  });
  expect(predicted).toEqual(train.labels);
});
