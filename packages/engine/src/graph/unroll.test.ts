import { afterAll, beforeAll, expect, it } from 'vitest';
import { createEngine } from '../running/create.js';
import type { Engine } from '../running/engine.js';
import type { HostTensors, StepFunction } from '../tensors.js';
import { tensorOf } from '../testing/compare.js';
import { tf } from '../tf.js';

const COUNT = 3;
const CALLS = 2;

/** A convolution in blocks, momentum, a counter, a key of the state that is read and not returned. */
const step: StepFunction = ({ w, m, count, scale }, { x, rate }) => {
  const loss = (v: typeof w) =>
    tf.mean(tf.square(tf.relu(tf.conv2d(x as never, tf.mul(v!, scale!) as never, 1, 'same'))));
  const { value, grads } = tf.valueAndGrads(loss as never)([w!]);
  const next = tf.add(tf.mul(m!, 0.9), grads[0]!);
  return {
    state: { w: tf.sub(w!, tf.mul(next, rate!)), m: next, count: tf.add(count!, tf.scalar(1, 'int32')) },
    metrics: { loss: value, count: count!, filters: tf.sum(w!, [0, 1, 2]) },
  };
};
const state = (): HostTensors => ({
  w: tensorOf(1, [3, 3, 16, 16]),
  m: { ...tensorOf(2, [3, 3, 16, 16]), data: new Float32Array(9 * 256) },
  count: { shape: [], dtype: 'int32', data: new Int32Array(1) },
  scale: tensorOf(3, [16], 0.5, 1),
});
const batch = {
  x: { shape: [2, 6, 6, 16], dtype: 'float32' as const },
  rate: { shape: [], dtype: 'float32' as const },
};
const x = (at: number) => tensorOf(10 + at, batch.x.shape);
const rate = (at: number) => ({ ...batch.rate, data: Float32Array.of(0.1 / (at + 1)) });
/** The batches of calls `from` to `from + COUNT`, stacked. */
const stackedBatch = (from: number): HostTensors => {
  const ats = Array.from({ length: COUNT }, (_, i) => from + i);
  return {
    x: {
      shape: [COUNT, ...batch.x.shape],
      dtype: 'float32',
      data: Float32Array.from(ats.flatMap((at) => [...x(at).data])),
    },
    rate: { shape: [COUNT], dtype: 'float32', data: Float32Array.from(ats.map((at) => rate(at).data[0]!)) },
  };
};

it.each([
  ['compiled', true],
  ['compiled', false],
  ['eager', false],
] as const)(
  'steps in one call give the state and every metric of single ones, bit for bit (%s, blocked: %s)',
  async (name, blocked) => {
    const engine = await createEngine({ engine: name, backend: 'cpu', threads: 1, blocked });
    const single = await engine.compile(step, state(), batch);
    const several = await engine.compile(step, state(), batch, { unroll: COUNT });
    expect(several.flops).toBe(COUNT * single.flops);
    for (let call = 0; call < CALLS; call++) {
      const metrics = await several.run(stackedBatch(call * COUNT));
      expect(metrics.filters!.shape).toEqual([COUNT, 16]);
      expect(metrics.loss!.shape).toEqual([COUNT]);
      for (let at = 0; at < COUNT; at++) {
        const alone = await single.run({ x: x(call * COUNT + at), rate: rate(call * COUNT + at) });
        expect(metrics.loss!.data[at]).toBe(alone.loss!.data[0]);
        expect(metrics.count!.data[at]).toBe(call * COUNT + at);
        expect(metrics.filters!.data.slice(at * 16, (at + 1) * 16)).toEqual(alone.filters!.data);
      }
    }
    expect(await several.state()).toEqual(await single.state());
  },
);

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine({ engine: 'compiled', threads: 1 });
});
afterAll(() => engine.dispose());

it('a single batch is refused by a step that makes several', async () => {
  const several = await engine.compile(step, state(), batch, { unroll: COUNT });
  await expect(several.run({ x: x(0), rate: rate(0) })).rejects.toThrow(
    /"x" is float32 \[2, 6, 6, 16\].*\[3, 2, 6, 6, 16\]/,
  );
});

it.each([0, 1.5, -1])('unroll: %s is refused', async (unroll) => {
  await expect(engine.compile(step, state(), batch, { unroll })).rejects.toMatchObject({
    code: 'bad-option',
  });
});
