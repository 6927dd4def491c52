import { tf } from '@rela/engine';
import { createRandom } from '@rela/random';
import type { Tensor2D, Tensor4D } from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import type { Backbone } from '../backbones/backbone.js';
import { under, within } from '../names.js';
import { numbers } from '../testing/eager.js';
import { normal, tinyBackbone } from '../testing/tiny.js';
import { byol } from './byol.js';
import { applyHead } from './head.js';

const B = 4;
const PROJECTION = 8;

const tinyByol = (backbone: Backbone) =>
  byol.create(
    { name: 'byol', momentum: 0.99, projection: PROJECTION },
    { backbone, image: { size: 8, channels: 1 }, classes: null, batchSize: B, seed: 0 },
  );

/** mean_B[cos(a, b)] in float64 */
function meanCosine(a: number[], b: number[]): number {
  let mean = 0;
  for (let row = 0; row < B; row++) {
    const [x, y] = [a, b].map((table) => table.slice(row * PROJECTION, (row + 1) * PROJECTION)) as [
      number[],
      number[],
    ];
    const dot = x.reduce((sum, value, index) => sum + value * y[index]!, 0);
    mean += dot / Math.hypot(...x) / Math.hypot(...y) / B;
  }
  return mean;
}

it("predicts from each view the target network's projection of the other", async () => {
  const backbone = tinyBackbone();
  const method = tinyByol(backbone);
  const weights = backbone.init(createRandom(1));
  // A target network apart from the online one, so that the two cannot be taken for each other.
  const other = backbone.init(createRandom(2));
  const host = {
    ...under('backbone.', weights),
    ...method.init(createRandom(3), weights),
    ...under('target.backbone.', other),
  };
  const view = (seed: number) => tf.tensor(normal([B, 8, 8, 1], seed).data, [B, 8, 8, 1]) as Tensor4D;
  const state = () =>
    Object.fromEntries(
      Object.entries(host).map(([key, { data, shape }]) => [key, tf.tensor(data as Float32Array, shape)]),
    );
  const project = (prefix: string, seed: number) => {
    const network = within(state(), prefix);
    const { features } = backbone.forward(within(network, 'backbone.'), view(seed), 'training');
    return applyHead(network, 'projector', features);
  };
  const z = await Promise.all([1, 2].map((seed) => numbers(() => project('target.', seed))));
  const p = await Promise.all(
    [1, 2].map((seed) => numbers(() => applyHead(state(), 'predictor', project('', seed) as Tensor2D))),
  );
  const [loss] = await numbers(() => {
    const views = { views: [view(1), view(2)], inputs: {} };
    return method.loss(state(), views, method.constants(state(), views)).loss;
  });
  expect(loss).toBeCloseTo(-0.5 * meanCosine(p[0]!, z[1]!) - 0.5 * meanCosine(p[1]!, z[0]!), 5);
});

it('takes both views into the running statistics, the first and then the second', async () => {
  const backbone = tinyBackbone();
  const method = tinyByol(backbone);
  const weights = backbone.init(createRandom(1));
  const host = { ...under('backbone.', weights), ...method.init(createRandom(3), weights) };
  const view = (value: number) => tf.fill([B, 8, 8, 1], value) as Tensor4D;
  const mean = (first: number, second: number) =>
    numbers(() => {
      const state = Object.fromEntries(
        Object.entries(host).map(([key, { data, shape }]) => [key, tf.tensor(data as Float32Array, shape)]),
      );
      const views = { views: [view(first), view(second)], inputs: {} };
      return method.loss(state, views, method.constants(state, views)).statistics['bn1.running_mean']!;
    });
  const [one, two, both] = [await mean(1, 0), await mean(0, 1), await mean(1, 1)];
  for (const [channel, value] of both.entries()) {
    // 0.9 · (0.1 · first) + 0.1 · second
    expect(one[channel]!).toBeCloseTo(0.9 * two[channel]!, 6);
    expect(value).toBeCloseTo(one[channel]! + two[channel]!, 6);
  }
});
