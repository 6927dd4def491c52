/** Whole training steps: convolution, batch norm, residual, AdamW, a moving average of the weights. */
import type { Tensor, Tensor1D, Tensor2D, Tensor4D } from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import * as ops from './ops/index.js';
import { createEngine } from './running/create.js';
import type { HostTensors, StepFunction, Tensors } from './tensors.js';
import { onBothEngines, tensorOf, worstOf } from './testing/compare.js';
import { tf } from './tf.js';

const WEIGHTS: Record<string, number[]> = {
  stem: [3, 3, 1, 4],
  block: [3, 3, 4, 4],
  down: [3, 3, 4, 8],
  shortcut: [1, 1, 4, 8],
  classifier: [8, 3],
};
const NORMS = { stem: 4, block: 4, down: 8 };
const NAMES = [
  ...Object.keys(WEIGHTS),
  ...Object.keys(NORMS).flatMap((name) => [`${name}.scale`, `${name}.shift`]),
];

function initialState(): HostTensors {
  const state: HostTensors = {};
  for (const [index, [name, shape]] of Object.entries(WEIGHTS).entries())
    state[name] = tensorOf(index + 1, shape, -0.4, 0.4);
  for (const [name, width] of Object.entries(NORMS)) {
    state[`${name}.scale`] = { shape: [width], dtype: 'float32', data: new Float32Array(width).fill(1) };
    state[`${name}.shift`] = { shape: [width], dtype: 'float32', data: new Float32Array(width) };
    state[`${name}.mean`] = { shape: [width], dtype: 'float32', data: new Float32Array(width) };
  }
  for (const name of NAMES) {
    const { shape, data } = state[name]!;
    state[`m.${name}`] = { shape, dtype: 'float32', data: new Float32Array(data.length) };
    state[`v.${name}`] = { shape, dtype: 'float32', data: new Float32Array(data.length) };
    state[`ema.${name}`] = { shape, dtype: 'float32', data: data.slice() };
  }
  state.untouched = tensorOf(77, [2, 2]);
  state.count = { shape: [], dtype: 'int32', data: new Int32Array(1) };
  return state;
}

function forward(w: Tensors, x: Tensor): { logits: Tensor2D; means: Tensors } {
  const means: Tensors = {};
  const norm = (name: string, value: Tensor) => {
    const { y, mean } = ops.batchNormTraining(
      value,
      w[`${name}.scale`] as Tensor1D,
      w[`${name}.shift`] as Tensor1D,
      1e-5,
    );
    means[name] = mean;
    return y;
  };
  const conv = (value: Tensor, name: string, stride = 1) =>
    tf.conv2d(value as Tensor4D, w[name] as Tensor4D, stride, 'same');
  let h = tf.relu(norm('stem', conv(x, 'stem')));
  h = tf.relu(tf.add(norm('block', conv(h, 'block')), h));
  h = tf.relu(tf.add(norm('down', conv(h, 'down', 2)), conv(h, 'shortcut', 2)));
  return { logits: tf.matMul(tf.mean(h, [1, 2]) as Tensor2D, w.classifier as Tensor2D), means };
}

const step: StepFunction = (state, batch) => {
  const weights = NAMES.map((name) => state[name]!);
  let means: Tensors = {};
  const loss = (...tensors: Tensor[]) => {
    const run = forward(
      Object.fromEntries(NAMES.map((name, index) => [name, tensors[index]!])),
      batch.images!,
    );
    // TF.js frees what is made inside of a gradient but for the loss.
    means = Object.fromEntries(
      Object.entries(run.means).map(([name, mean]) => [name, tf.keep(tf.clone(mean))]),
    );
    const labels = tf.cast(tf.oneHot(batch.labels as Tensor1D, 3), 'float32');
    return tf.neg(tf.mean(tf.sum(tf.mul(tf.logSoftmax(run.logits), labels), 1)));
  };
  const { value, grads } = tf.valueAndGrads(loss as never)(weights);
  const next: Tensors = { count: tf.add(state.count!, tf.scalar(1, 'int32')) };
  for (const [index, name] of NAMES.entries()) {
    const g = grads[index]!;
    const m = tf.add(tf.mul(state[`m.${name}`]!, 0.9), tf.mul(g, 0.1));
    const v = tf.add(tf.mul(state[`v.${name}`]!, 0.999), tf.mul(tf.square(g), 0.001));
    const update = tf.div(
      tf.div(m, batch.correction1!),
      tf.add(tf.sqrt(tf.div(v, batch.correction2!)), 1e-8),
    );
    const w = tf.sub(tf.mul(state[name]!, 1 - 1e-3 * 0.01), tf.mul(update, 1e-3));
    next[name] = w;
    next[`m.${name}`] = m;
    next[`v.${name}`] = v;
    next[`ema.${name}`] = tf.add(tf.mul(state[`ema.${name}`]!, 0.99), tf.mul(w, 0.01));
  }
  for (const name of Object.keys(NORMS))
    next[`${name}.mean`] = tf.add(tf.mul(state[`${name}.mean`]!, 0.9), tf.mul(means[name]!, 0.1));
  return { state: next, metrics: { loss: value } };
};

const scalar = (value: number) => ({ shape: [], dtype: 'float32' as const, data: Float32Array.of(value) });

const batches = (count: number): HostTensors[] =>
  Array.from({ length: count }, (_, index) => ({
    images: tensorOf(100 + index, [6, 8, 8, 1]),
    labels: {
      shape: [6],
      dtype: 'int32',
      data: Int32Array.from({ length: 6 }, (_label, i) => (i + index) % 3),
    },
    correction1: scalar(1 - 0.9 ** (index + 1)),
    correction2: scalar(1 - 0.999 ** (index + 1)),
  }));

it('20 steps of a small residual network give the state of the TF.js CPU backend', async () => {
  const { compiled, eager } = await onBothEngines(step, initialState(), batches(20));
  expect(worstOf(compiled.metrics, eager.metrics).difference).toBeLessThan(1e-4);
  const weights = Object.fromEntries(Object.entries(eager.state).filter(([name]) => !/^[mv]\./.test(name)));
  const { key, difference } = worstOf(compiled.state, weights);
  expect(difference, `of ${key}`).toBeLessThan(1e-4);
  expect(compiled.state.count!.data[0]).toBe(20);
  expect(compiled.state.untouched).toEqual(initialState().untouched);
});

it('goes on from a saved state bit for bit as if it had not stopped', async () => {
  const engine = await createEngine({ engine: 'compiled', threads: 2 });
  const data = batches(6);
  const specs = Object.fromEntries(
    Object.entries(data[0]!).map(([name, { shape, dtype }]) => [name, { shape, dtype }]),
  );
  const whole = await engine.compile(step, initialState(), specs);
  for (const batch of data) await whole.run(batch);
  const first = await engine.compile(step, initialState(), specs);
  for (const batch of data.slice(0, 3)) await first.run(batch);
  const second = await engine.compile(step, await first.state(), specs);
  for (const batch of data.slice(3)) await second.run(batch);
  expect(await second.state()).toEqual(await whole.state());
});

it('takes the memory of the first state where it may, also of two tensors that share theirs, and gives the same numbers', async () => {
  const engine = await createEngine({ engine: 'compiled', threads: 1 });
  const average: StepFunction = ({ fast, slow }, { x }) => ({
    state: { fast: tf.add(fast!, x!), slow: tf.add(tf.mul(slow!, 0.9), fast!) },
    metrics: {},
  });
  const tensor = (...data: number[]) => ({
    shape: [2],
    dtype: 'float32' as const,
    data: Float32Array.from(data),
  });
  const begin = () => {
    const shared = tensor(1, 2);
    return { fast: shared, slow: shared };
  };
  const specs = { x: { shape: [2], dtype: 'float32' as const } };
  const given = begin();
  const kept = await engine.compile(average, given, specs);
  const taken = await engine.compile(average, begin(), specs, { takeState: true });
  for (let run = 0; run < 3; run++) for (const one of [kept, taken]) await one.run({ x: tensor(run, 1) });
  expect(await taken.state()).toEqual(await kept.state());
  expect(given).toEqual(begin());
});

it('the hand-written gradient of batch norm is that of its definition', async () => {
  const gradients =
    (normalise: (x: Tensor, g: Tensor, b: Tensor) => Tensor): StepFunction =>
    (_, { x, g, b, w }) => {
      const { grads } = tf.valueAndGrads(((...t: Tensor[]) =>
        tf.sum(tf.mul(tf.square(normalise(t[0]!, t[1]!, t[2]!)), w!))) as never)([x!, g!, b!]);
      return { state: {}, metrics: { dx: grads[0]!, dg: grads[1]!, db: grads[2]! } };
    };
  const plain = (x: Tensor, g: Tensor, b: Tensor) => {
    const { mean, variance } = tf.moments(x, [0, 1, 2]);
    return tf.add(tf.mul(tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, 1e-5))), g), b);
  };
  const batch = {
    x: tensorOf(1, [3, 4, 4, 5], 0, 2),
    g: tensorOf(2, [5]),
    b: tensorOf(3, [5]),
    w: tensorOf(4, [3, 4, 4, 5]),
  };
  const byHand = await onBothEngines(
    gradients((x, g, b) => ops.batchNormTraining(x, g as Tensor1D, b as Tensor1D, 1e-5).y),
    {},
    [batch],
  );
  const byTape = await onBothEngines(gradients(plain), {}, [batch]);
  expect(worstOf(byHand.compiled.metrics, byTape.eager.metrics).difference).toBeLessThan(1e-4);
  expect(worstOf(byHand.eager.metrics, byTape.eager.metrics).difference).toBeLessThan(1e-4);
});

it('NaN passes through a step and does not crash it', async () => {
  const engine = await createEngine({ engine: 'compiled', threads: 1 });
  const ready = await engine.compile(
    (_, { x }) => ({ state: {}, metrics: { y: tf.sum(tf.log(x!)) } }),
    {},
    { x: { shape: [2], dtype: 'float32' } },
  );
  const { y } = await ready.run({ x: { shape: [2], dtype: 'float32', data: Float32Array.of(-1, 1) } });
  expect(y!.data[0]).toBeNaN();
  await ready.dispose();
});
