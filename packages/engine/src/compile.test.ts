import { expect, expectTypeOf, it, vi } from 'vitest';
import { compile } from './compile.js';
import * as create from './running/create.js';
import { tensorOf } from './testing/compare.js';
import { tf } from './tf.js';

const state = { w: tensorOf(1, [2, 3]) };
const batch = { x: { shape: [2, 3], dtype: 'float32' as const } };

it('makes a step that starts from the given state, and knows the names of state and batch', async () => {
  const step = await compile(
    ({ w }, { x }) => {
      expectTypeOf(w).toEqualTypeOf(x);
      return { state: { w: tf.add(w, x) }, metrics: { sum: tf.sum(w) } };
    },
    { state, batch },
  );
  const { sum } = await step.run({ x: { ...batch.x, data: new Float32Array(6).fill(1) } });
  const given = [...state.w.data];
  const total = given.reduce((before, value) => before + value, 0);
  expect(sum!.data[0]).toBeCloseTo(total, 5);
  const after = await step.state();
  expect([...after.w!.data]).toEqual(given.map((value) => Math.fround(value + 1)));
  await step.dispose();
});

it('takes an example batch for its shapes, several steps a run, and options of the engine', async () => {
  const step = await compile(({ w }, { x }) => ({ state: { w: tf.add(w, x) }, metrics: { w } }), {
    state,
    batch: { x: tensorOf(2, [2, 3]) },
    unroll: 2,
    engine: 'compiled',
    threads: 1,
  });
  const { w } = await step.run({ x: tensorOf(2, [2, 2, 3]) });
  expect(w!.shape).toEqual([2, 2, 3]);
});

it('steps with the same options share one engine, in whatever order they name them', async () => {
  const made = vi.spyOn(create, 'createEngine');
  const step = () => ({ state: {}, metrics: {} });
  const fresh = { engine: 'compiled', threads: 1, blocked: false, precision: 'strict' } as const;
  await compile(step, { ...fresh, state: {}, batch: {} });
  await compile(step, {
    state: {},
    batch: {},
    precision: 'strict',
    blocked: false,
    threads: 1,
    engine: 'compiled',
  });
  expect(made).toHaveBeenCalledTimes(1);
  await compile(step, { ...fresh, precision: 'fast', state: {}, batch: {} });
  expect(made).toHaveBeenCalledTimes(2);
  made.mockRestore();
});

it('an engine that could not be made is tried again at the next call', async () => {
  const failing = vi.spyOn(create, 'createEngine').mockRejectedValueOnce(new Error('not yet'));
  const options = { engine: 'compiled', threads: 1, precision: 'strict', state: {}, batch: {} } as const;
  await expect(compile(() => ({ state: {}, metrics: {} }), options)).rejects.toThrow('not yet');
  await expect(compile(() => ({ state: {}, metrics: {} }), options)).resolves.toBeDefined();
  failing.mockRestore();
});

it.each([
  ['no step', () => compile(undefined as never, { state, batch })],
  ['no options', () => compile((() => undefined) as never, undefined as never)],
  ['no batch', () => compile((() => undefined) as never, { state } as never)],
])('%s is refused with what belongs there', async (_, call) => {
  await expect(call()).rejects.toMatchObject({ code: 'bad-option' });
});
