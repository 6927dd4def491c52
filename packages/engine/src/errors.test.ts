import type { Tensor } from '@tensorflow/tfjs-core';
import { describe, expect, it, vi } from 'vitest';
import type { EngineErrorCode } from './errors.js';
import { RecordingBackend } from './recording/backend.js';
import { createEngine } from './running/create.js';
import type { HostTensors, StepFunction, Tensors } from './tensors.js';
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

it('an op without a gradient is named with the line that asks for one', async () => {
  const refused = compile((_, { x }) => {
    const largest = (values: unknown) => tf.sum(tf.topk(values as Tensor, 2).values);
    return { state: {}, metrics: { dx: tf.grad(largest as never)(x!) } };
  });
  await expect(refused).rejects.toEqual(code('unsupported-op'));
  await expect(refused).rejects.toThrow(/TopK.*errors\.test\.ts:\d+.*customGrad/s);
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

const code = (expected: EngineErrorCode) => expect.objectContaining({ name: 'EngineError', code: expected });
const here = /errors\.test\.ts:\d+/;
/** What a user writes in JavaScript, where no type stands in the way. */
const anyStep = (fn: unknown) => compile(fn as StepFunction);

describe('control flow that depends on values', () => {
  it.each([
    ['dataSync', (x: Tensor) => x.dataSync()],
    ['arraySync', (x: Tensor) => x.arraySync()],
    ['data, without waiting', (x: Tensor) => void x.data()],
    ['array, without waiting', (x: Tensor) => void x.array()],
    ['a comparison as if it were a number', (x: Tensor) => (x as unknown as number) > 0],
    ['printing', (x: Tensor) => x.print()],
  ])('%s is refused with the line and the way out', async (_, read) => {
    const refused = compile((_state, { x }) => {
      read(x!);
      return { state: {}, metrics: { x: x! } };
    });
    await expect(refused).rejects.toEqual(code('data-dependent'));
    await expect(refused).rejects.toThrow(/errors\.test\.ts:\d+.*tf\.where/s);
  });

  it('is refused also where the step catches the refusal', async () => {
    const refused = compile((_, { x }) => {
      try {
        x!.dataSync();
      } catch {
        // A step that has a second way.
      }
      return { state: {}, metrics: { x: x! } };
    });
    await expect(refused).rejects.toEqual(code('data-dependent'));
  });

  it('an async step that waits for a value is refused with the line that reads, and nothing is left unhandled', async () => {
    const unhandled = vi.fn();
    process.on('unhandledRejection', unhandled);
    try {
      const waits = anyStep(async (_: Tensors, { x }: Tensors) => {
        if ((await x!.data())[0]! > 0) return { state: {}, metrics: { x } };
        return { state: {}, metrics: {} };
      });
      await expect(waits).rejects.toEqual(code('data-dependent'));
      await expect(waits).rejects.toThrow(/is read at .*errors\.test\.ts:\d+.*tf\.where/s);
      const throws = anyStep(async (_: Tensors, { x }: Tensors) => x!.dataSync());
      await expect(throws).rejects.toEqual(code('data-dependent'));
      await new Promise((resolve) => setTimeout(resolve, 10));
      expect(unhandled).not.toHaveBeenCalled();
    } finally {
      process.off('unhandledRejection', unhandled);
    }
  });

  it('an async step that reads nothing is told to be a plain function', async () => {
    const refused = anyStep(async (_: Tensors, { x }: Tensors) => ({ state: {}, metrics: { x } }));
    await expect(refused).rejects.toEqual(code('data-dependent'));
    await expect(refused).rejects.toThrow(/errors\.test\.ts:\d+:\d+\) returns a promise.*plain function/s);
  });
});

describe('what a step returns', () => {
  it.each([
    ['nothing', undefined, /returns nothing/],
    ['a number', 3, /returns a number/],
    ['a tensor', 'x', /returns a tensor/],
    ['no metrics', { state: {} }, /nothing as its metrics/],
    [
      'a number as a metric',
      { state: {}, metrics: { loss: 3 } },
      /a number as "loss" of its metrics.*tf\.scalar/s,
    ],
    ['nothing as a state', { state: { w: undefined }, metrics: {} }, /nothing as "w" of its state/],
  ])('%s is refused with where the step is compiled', async (_, result, text) => {
    const refused = anyStep((_state: Tensors, { x }: Tensors) => (result === 'x' ? x : result));
    await expect(refused).rejects.toEqual(code('bad-result'));
    await expect(refused).rejects.toThrow(text);
    await expect(refused).rejects.toThrow(here);
  });

  it('a tensor of the batch may become the state, and one tensor may be returned under several names', async () => {
    const step = await (await engine).compile(
      ({ a, b }, { x }) => {
        const sum = tf.add(a!, b!);
        return { state: { a: x!, b: x! }, metrics: { sum, again: sum, x: x! } };
      },
      { a: tensorOf(1, [2, 3]), b: tensorOf(2, [2, 3]) },
      { x: spec },
    );
    const first = tensorOf(3, [2, 3]);
    await step.run({ x: first });
    const values = first.data.slice();
    first.data.fill(0);
    const { sum, again } = await step.run({ x: tensorOf(4, [2, 3]) });
    expect([...sum!.data]).toEqual([...values].map((value) => 2 * value));
    expect(again).toEqual(sum);
    const { a, b } = await step.state();
    expect(a!.data).toEqual(tensorOf(4, [2, 3]).data);
    expect(b).toEqual(a);
  });
});

describe('surprises in place', () => {
  it('a step that assigns a variable is refused with the line, and variables work again afterwards', async () => {
    await createEngine({ engine: 'eager', backend: 'cpu' });
    const variable = tf.variable(tf.tensor([1, 2, 3]));
    const refused = compile((_, { x }) => {
      variable.assign(tf.sum(x!, 0));
      return { state: {}, metrics: { x: x! } };
    });
    await expect(refused).rejects.toEqual(code('variable-assigned'));
    await expect(refused).rejects.toThrow(/assigned at .*errors\.test\.ts:\d+.*state/s);
    variable.assign(tf.tensor([4, 5, 6]));
    expect([...variable.dataSync()]).toEqual([4, 5, 6]);
    variable.dispose();
  });

  it('an optimizer of TF.js is refused, since it assigns variables', async () => {
    await createEngine({ engine: 'eager', backend: 'cpu' });
    const variable = tf.variable(tf.tensor([1, 2, 3]));
    const refused = compile((_, { x }) => {
      tf.train.sgd(0.1).minimize(() => tf.sum(tf.mul(x!, variable)), false, [variable]);
      return { state: {}, metrics: { x: x! } };
    });
    await expect(refused).rejects.toEqual(code('variable-assigned'));
    variable.dispose();
  });

  it.each([
    ['kept by tf.keep', (x: Tensor) => tf.keep(tf.neg(x))],
    ['only held', (x: Tensor) => tf.neg(x)],
  ])('a tensor of an earlier recording, %s, is told from one that was disposed', async (_, hold) => {
    const held: Tensor[] = [];
    const uses = () =>
      compile((_state, { x }) => {
        const y = held[0] ? tf.add(x!, held[0]) : x!;
        held[0] ??= hold(x!);
        return { state: {}, metrics: { y } };
      });
    await uses();
    await expect(uses()).rejects.toEqual(code('kept-tensor'));
    await expect(uses()).rejects.toThrow(/errors\.test\.ts:\d+.*earlier recording.*state/s);
  });

  it('a disposed tensor that a method is called on is an error of ours, too', async () => {
    await createEngine({ engine: 'eager', backend: 'cpu' });
    const gone = tf.tensor([1, 2, 3]);
    gone.dispose();
    const refused = compile((_, { x }) => ({ state: {}, metrics: { x: x!, y: gone.clone() } }));
    await expect(refused).rejects.toEqual(code('disposed-tensor'));
    await expect(refused).rejects.toThrow(here);
  });

  it.each(['compiled', 'eager'] as const)(
    'a batch whose arrays are filled again while the step runs is the batch of the call (%s)',
    async (name) => {
      const made = await createEngine({ engine: name, backend: 'cpu', threads: 1 });
      const step = await made.compile(
        (_, { x }) => ({ state: {}, metrics: { x: tf.mul(x!, 2) } }),
        {},
        { x: spec },
      );
      const batch = { x: { ...spec, data: new Float32Array(6).fill(1) } };
      const running = step.run(batch);
      batch.x.data.fill(9);
      expect([...(await running).x!.data]).toEqual([2, 2, 2, 2, 2, 2]);
    },
  );

  it('a second run before the first has ended is refused, as is its state meanwhile, and the first is not disturbed', async () => {
    const step = await (await engine).compile(
      ({ n }) => ({ state: { n: tf.add(n!, 1) }, metrics: { n: n! } }),
      { n: { shape: [], dtype: 'float32', data: new Float32Array(1) } },
      {},
    );
    const first = step.run({});
    await expect(step.run({})).rejects.toEqual(code('step-busy'));
    await expect(step.state()).rejects.toEqual(code('step-busy'));
    await first;
    expect((await step.run({})).n!.data[0]).toBe(1);
    await step.dispose();
    await expect(step.run({})).rejects.toEqual(code('step-disposed'));
    await step.dispose();
  });
});

describe('a batch that does not fit', () => {
  const given = { x: tensorOf(1, [2, 3]) };
  it.each([
    ['is missing', undefined, /batch is undefined/],
    ['lacks a key', {}, /no "x".*float32 \[2, 3\]/],
    ['has one too many', { ...given, y: given.x }, /"y".*Known: x/],
    [
      'has another type',
      { x: { ...spec, dtype: 'int32', data: new Int32Array(6) } },
      /"x" is int32 \[2, 3\]/,
    ],
    ['has another shape', { x: tensorOf(1, [3, 2]) }, /"x" is float32 \[3, 2\].*Compile it again/s],
    ['has too few numbers', { x: { ...spec, data: new Float32Array(5) } }, /Float32Array of 6/],
    ['has another array', { x: { ...spec, data: [1, 2, 3, 4, 5, 6] } }, /Float32Array of 6/],
  ])('that %s is refused by name', async (_, batch, text) => {
    const step = await compile((_state, { x }) => ({ state: {}, metrics: { y: tf.sum(x!) } }));
    const refused = step.run(batch as HostTensors);
    await expect(refused).rejects.toEqual(code('shape-changed'));
    await expect(refused).rejects.toThrow(text);
  });

  it('a shape that no step can have is refused before anything is recorded', async () => {
    const batch = { x: { shape: [2, -1], dtype: 'float32' as const } };
    const never = vi.fn();
    await expect((await engine).compile(never, {}, batch)).rejects.toEqual(code('bad-option'));
    expect(never).not.toHaveBeenCalled();
  });
});

it('a tensor that reaches the recording where no step is recorded names the line and the way out', () => {
  const backend = new RecordingBackend(() => undefined);
  const made = () => backend.write(new Float32Array(1), [1], 'float32');
  expect(made).toThrow(expect.objectContaining({ code: 'outside-step' }));
  expect(made).toThrow(/errors\.test\.ts:\d+.*inside the step.*state or batch/s);
});
