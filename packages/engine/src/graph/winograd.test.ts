import type { Tensor4D } from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { planKey } from '../plan/key.js';
import type { Candidate } from '../plan/plan.js';
import { createCompiledEngine, recordStep } from '../running/compiled.js';
import type { HostTensors, StepFunction } from '../tensors.js';
import { tf } from '../tf.js';
import { shareCommonSubexpressions } from './common-subexpressions.js';
import { applyWinograd, type ConvolutionShape } from './winograd.js';

type Shape = [number, number, number, number];

/** y, and the gradients of a weighted sum of it by x and by the filter. */
const step: StepFunction = (_, { x, w, weights }) => {
  const convolve = (a: Tensor4D, b: Tensor4D) => tf.conv2d(a, b, 1, 1);
  const [dx, dw] = tf.grads((a, b) => tf.sum(tf.mul(convolve(a as Tensor4D, b as Tensor4D), weights!)))([
    x!,
    w!,
  ]);
  return { state: {}, metrics: { y: convolve(x as Tensor4D, w as Tensor4D), dx: dx!, dw: dw! } };
};

/** Numbers that look random, from −1 to 1. */
function noise(shape: number[], seed: number) {
  const size = shape.reduce((product, side) => product * side, 1);
  const data = Float32Array.from({ length: size }, (_, at) => {
    const wave = Math.sin((at + 1) * 12.9898 + seed * 78.233) * 43758.5453;
    return 2 * (wave - Math.floor(wave)) - 1;
  });
  return { dtype: 'float32' as const, shape, data };
}

async function run(x: Shape, filters: number, candidate: Candidate): Promise<HostTensors> {
  const batch = {
    x: noise(x, 1),
    w: noise([3, 3, x[3], filters], 2),
    weights: noise([...x.slice(0, 3), filters], 3),
  };
  const [images, height, width, channels] = x;
  const plan = { [planKey({ images, height, width, channels, filters })]: candidate };
  const engine = await createCompiledEngine({ threads: 1, plan });
  const specs = Object.fromEntries(
    Object.entries(batch).map(([key, { shape }]) => [key, { shape, dtype: 'float32' as const }]),
  );
  const compiled = await engine.compile(step, {}, specs);
  const result = await compiled.run(batch);
  await compiled.dispose();
  return result;
}

function apart(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [difference, length] = [0, 0];
  for (let at = 0; at < b.length; at++) {
    difference += (a[at]! - b[at]!) ** 2;
    length += b[at]! ** 2;
  }
  return Math.sqrt(difference / length);
}

describe.each([2, 4] as const)('a convolution in tiles of %i', (m) => {
  it.each([
    { x: [16, 4, 4, 16] as Shape, filters: 16 },
    { x: [2, 7, 5, 16] as Shape, filters: 32 },
    { x: [3, 13, 9, 32] as Shape, filters: 16 },
    { x: [1, 16, 17, 3] as Shape, filters: 5 },
  ])('and its gradients are those of the plain one: $x to $filters', async ({ x, filters }) => {
    const plain = await run(x, filters, 'direct');
    const tiled = await run(x, filters, `winograd${m}`);
    for (const key of ['y', 'dx', 'dw']) {
      expect(tiled[key]!.data).toHaveLength(plain[key]!.data.length);
      expect(apart(tiled[key]!.data, plain[key]!.data), key).toBeLessThan(m === 2 ? 2e-6 : 2e-5);
    }
  });
});

it('shares the transforms of x, dy and the filter among the three ops', () => {
  const specs = {
    x: { shape: [2, 8, 8, 16], dtype: 'float32' as const },
    w: { shape: [3, 3, 16, 16], dtype: 'float32' as const },
    weights: { shape: [2, 8, 8, 16], dtype: 'float32' as const },
  };
  const asked: ConvolutionShape[] = [];
  const graph = applyWinograd(recordStep(step, {}, specs), (shape) => {
    asked.push(shape);
    return 4;
  });
  expect(new Set(asked.map((shape) => JSON.stringify(shape))).size).toBe(1);
  expect(graph.nodes.some(({ op }) => op.startsWith('Conv2D'))).toBe(false);
  const { nodes } = shareCommonSubexpressions(graph);
  expect(nodes.filter(({ op }) => op === 'WinogradTiles')).toHaveLength(2);
  expect(nodes.filter(({ op }) => op === 'WinogradFilter')).toHaveLength(1);
  expect(nodes.filter(({ op }) => op === 'BatchMatMul')).toHaveLength(3);
});

it('makes large transforms of the forward pass again for the backward one, and gives the same numbers', async () => {
  const [wide, filters] = [[1, 4, 4, 384] as Shape, 384];
  const specs = {
    x: { shape: wide, dtype: 'float32' as const },
    w: { shape: [3, 3, 384, 384], dtype: 'float32' as const },
    weights: { shape: [1, 4, 4, 384], dtype: 'float32' as const },
  };
  const { nodes } = shareCommonSubexpressions(applyWinograd(recordStep(step, {}, specs), () => 4));
  expect(nodes.filter(({ op }) => op === 'WinogradTiles')).toHaveLength(2);
  expect(nodes.filter(({ op }) => op === 'WinogradFilter')).toHaveLength(2);
  const [plain, tiled] = [await run(wide, filters, 'direct'), await run(wide, filters, 'winograd4')];
  for (const key of ['y', 'dx', 'dw'])
    expect(apart(tiled[key]!.data, plain[key]!.data), key).toBeLessThan(2e-5);
});

it('leaves other convolutions alone', () => {
  const strided: StepFunction = (_, { x, w }) => ({
    state: {},
    metrics: {
      y: tf.conv2d(x as Tensor4D, w as Tensor4D, 2, 1),
      z: tf.conv2d(x as Tensor4D, w as Tensor4D, 1, 0),
    },
  });
  const specs = {
    x: { shape: [2, 8, 8, 16], dtype: 'float32' as const },
    w: { shape: [3, 3, 16, 16], dtype: 'float32' as const },
  };
  const graph = recordStep(strided, {}, specs);
  expect(applyWinograd(graph, () => 4).nodes).toEqual(graph.nodes);
});
