import { expect, it } from 'vitest';
import { createEngine } from './running/create.js';
import { tensorOf } from './testing/compare.js';
import { tf } from './tf.js';

const spec = { shape: [2, 3], dtype: 'float32' as const };
const engine = createEngine({ engine: 'compiled', threads: 1 });
const compile = async (fn: Parameters<Awaited<typeof engine>['compile']>[0]) =>
  (await engine).compile(fn, {}, { x: spec });

it('an op that cannot be recorded is named with the line that called it', async () => {
  await expect(
    compile((_, { x }) => ({ state: {}, metrics: { y: tf.unique(tf.reshape(x!, [6])).values } })),
  ).rejects.toThrow(/Unique.*errors\.test\.ts:\d+/s);
});

it('an op that ONNX Runtime refuses is named with the line that called it', async () => {
  await expect(
    compile((_, { x }) => ({ state: {}, metrics: { y: tf.exp(tf.cast(x!, 'int32')) } })),
  ).rejects.toThrow(/Exp.*errors\.test\.ts:\d+/s);
});

it('reading a value is refused with the line and the way out', async () => {
  await expect(
    compile((_, { x }) => ({ state: {}, metrics: { y: x!.dataSync()[0]! > 0 ? x! : tf.neg(x!) } })),
  ).rejects.toThrow(/errors\.test\.ts:\d+.*tf\.where/s);
});

it('after a failed recording the backend that was there before is back', async () => {
  await createEngine({ engine: 'eager', backend: 'cpu' });
  await expect(
    compile((_, { x }) => ({ state: {}, metrics: { y: tf.unique(tf.reshape(x!, [6])).values } })),
  ).rejects.toThrow();
  expect(tf.getBackend()).toBe('cpu');
  expect(tf.add(1, 2).dataSync()[0]).toBe(3);
});

it('a batch of another shape is refused by name and by both shapes', async () => {
  const step = await compile((_, { x }) => ({ state: {}, metrics: { y: tf.sum(x!) } }));
  await expect(step.run({ x: tensorOf(1, [4, 3]) })).rejects.toThrow(
    /"x" is float32 \[4, 3\].*float32 \[2, 3\]/,
  );
  await expect(step.run({})).rejects.toThrow(/no "x"/);
});

it('a state with an unknown key is refused by name', async () => {
  const step = await (await engine).compile(
    ({ w }, { x }) => ({ state: { w: tf.add(w!, x!) }, metrics: {} }),
    { w: tensorOf(1, [2, 3]) },
    { x: spec },
  );
  expect(() => step.load({ w: tensorOf(1, [2, 3]), v: tensorOf(1, [2, 3]) })).toThrow(/"v"/);
});

it('a step that changes the shape of its state is refused', async () => {
  await expect(
    (await engine).compile(
      ({ w }) => ({ state: { w: tf.sum(w!) }, metrics: {} }),
      { w: tensorOf(1, [2, 3]) },
      {},
    ),
  ).rejects.toThrow(/"w" as float32 \[\]/);
});

it('a captured tensor becomes a constant and stays with its backend; a disposed one is an error', async () => {
  await createEngine({ engine: 'eager', backend: 'cpu' });
  const kept = tf.tensor([1, 2, 3, 4, 5, 6]);
  const addKept = () =>
    compile((_, { x }) => ({ state: {}, metrics: { y: tf.add(x!, tf.reshape(kept, [2, 3])) } }));
  for (let round = 0; round < 2; round++) {
    const { y } = await (await addKept()).run({ x: { ...spec, data: new Float32Array(6) } });
    expect([...y!.data]).toEqual([1, 2, 3, 4, 5, 6]);
  }
  expect([...tf.add(kept, 1).dataSync()]).toEqual([2, 3, 4, 5, 6, 7]);
  kept.dispose();
  await expect(addKept()).rejects.toThrow(/errors\.test\.ts:\d+.*disposed/s);
});

it('a random number drawn inside a step is refused, and Math.random works again afterwards', async () => {
  const noisy = compile((_, { x }) => ({ state: {}, metrics: { y: tf.add(x!, tf.randomNormal([2, 3])) } }));
  await expect(noisy).rejects.toThrow(/random number is drawn at .*errors\.test\.ts:\d+/);
  expect(Math.random()).toBeLessThan(1);
});

it('a missing TF.js backend is one line with the command that installs it', async () => {
  await expect(createEngine({ engine: 'eager' })).rejects.toThrow(/npm install .*tfjs-node-gpu/);
});
