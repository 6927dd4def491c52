import type { Tensor } from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { recordStep } from '../running/compiled.js';
import { createEngine } from '../running/create.js';
import type { StepFunction, TensorSpec } from '../tensors.js';
import { tf } from '../tf.js';
import { fuseScaledSums } from './fuse-scaled-sums.js';

const BLOCK = 16;
const spec = (...shape: number[]): TensorSpec => ({ shape, dtype: 'float32' });
const specs = { g: spec(64, 96), beta: spec() };
const state = { m: spec(64, 96) };

const opsOf = (step: StepFunction) =>
  fuseScaledSums(recordStep(step, state, specs), BLOCK).nodes.map(({ op }) => op);
const next = (m: Tensor) => ({ state: { m }, metrics: {} });

it('joins a product with a number and a sum, whichever stands first', () => {
  expect(opsOf(({ m }, { g, beta }) => next(tf.add(tf.mul(m!, beta!), g!)))).toEqual(['ScaledSum']);
  expect(opsOf(({ m }, { g, beta }) => next(tf.add(g!, tf.mul(beta!, m!))))).toEqual(['ScaledSum']);
  expect(opsOf(({ m }, { beta }) => next(tf.add(tf.mul(m!, beta!), beta!)))).toEqual(['ScaledSum']);
});

it('leaves a product that somebody else reads, products of tensors, and sums that broadcast', () => {
  const readTwice: StepFunction = ({ m }, { g, beta }) => {
    const product = tf.mul(m!, beta!);
    return { state: { m: tf.add(product, g!) }, metrics: { product } };
  };
  expect(opsOf(readTwice)).toEqual(['Multiply', 'Add']);
  expect(opsOf(({ m }, { g }) => next(tf.add(tf.mul(m!, g!), g!)))).toEqual(['Multiply', 'Add']);
  const rows: StepFunction = ({ m }, { g, beta }) => next(tf.add(tf.mul(m!, beta!), tf.sum(g!, 0)));
  expect(opsOf(rows)).toContain('Add');
  expect(opsOf(rows)).not.toContain('ScaledSum');
  const larger: StepFunction = ({ m }, { g, beta }) => ({
    state: {},
    metrics: { y: tf.add(tf.mul(m!, beta!), tf.stack([g!, g!])) },
  });
  expect(opsOf(larger)).not.toContain('ScaledSum');
});

it('gives the numbers of the product and the sum', async () => {
  const engine = await createEngine({ engine: 'compiled' });
  const numbers = (seed: number) => Float32Array.from({ length: 64 * 96 }, (_, at) => Math.sin(seed + at));
  const step = await engine.compile(
    ({ m }, { g, beta }) => ({
      state: { m: tf.add(tf.mul(m!, beta!), g!) },
      metrics: { shifted: tf.add(tf.mul(m!, beta!), beta!) },
    }),
    { m: { ...state.m, data: numbers(1) } },
    specs,
  );
  const beta = Float32Array.of(0.9);
  const { shifted } = await step.run({
    g: { ...specs.g, data: numbers(2) },
    beta: { ...specs.beta, data: beta },
  });
  const { m } = await step.state();
  for (const at of [0, 1, 95, 96, 6143]) {
    expect(m!.data[at]).toBeCloseTo(0.9 * numbers(1)[at]! + numbers(2)[at]!, 6);
    expect(shifted!.data[at]).toBeCloseTo(0.9 * numbers(1)[at]! + 0.9, 6);
  }
  await step.dispose();
});
