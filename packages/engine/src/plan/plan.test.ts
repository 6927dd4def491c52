import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { blockOfThisMachine } from '../running/blocked-probe.js';
import { recordStep } from '../running/compiled.js';
import { createEngine } from '../running/create.js';
import { stepKey } from '../running/step-key.js';
import type { StepFunction, TensorSpec } from '../tensors.js';
import { tf } from '../tf.js';
import { fixedPlan } from './fixed.js';
import { CANDIDATES, type Plan } from './plan.js';
import { winner } from './race.js';
import { shapesOf } from './shapes.js';

const spec = (...shape: number[]): TensorSpec => ({ shape, dtype: 'float32' });
const state = { wide: spec(3, 3, 128, 128), narrow: spec(3, 3, 128, 16) };
const specs = { x: spec(16, 4, 4, 128) };

/** One step of descent on two convolutions, one behind the other. */
const step: StepFunction = ({ wide, narrow }, { x }) => {
  const { value, grads } = tf.valueAndGrads((a, b) => {
    const hidden = tf.conv2d(x as Tensor4D, a as Tensor4D, 1, 1);
    return tf.mean(tf.square(tf.conv2d(hidden, b as Tensor4D, 1, 1)));
  })([wide!, narrow!]);
  const descend = (w: typeof value, g: typeof value) => tf.sub(w, tf.mul(g, 0.01));
  return {
    state: {
      wide: descend(wide as never, grads[0] as never),
      narrow: descend(narrow as never, grads[1] as never),
    },
    metrics: { value },
  };
};

const host = (shape: number[], seed: number) => ({
  dtype: 'float32' as const,
  shape,
  data: Float32Array.from(
    { length: shape.reduce((a, b) => a * b, 1) },
    (_, at) => 0.05 * Math.sin(seed + 1.7 * at),
  ),
});
const first = { wide: host([3, 3, 128, 128], 1), narrow: host([3, 3, 128, 16], 2) };

it('knows the convolutions of a step, each shape once with the ops that it has', () => {
  const found = shapesOf(recordStep(step, state, specs));
  expect(found.map(({ key, ops }) => [key, ops.map(({ node }) => node.op).sort()])).toEqual([
    ['16×4×4 128→128', ['Conv2D', 'Conv2DBackpropFilter']],
    ['16×4×4 128→16', ['Conv2D', 'Conv2DBackpropFilter', 'Conv2DBackpropInput']],
  ]);
});

it('is the same on every machine where it is fixed, and leaves out the least accurate kernels where it is strict', () => {
  const graph = recordStep(step, state, specs);
  expect(fixedPlan(graph, 'fast')).toEqual({ '16×4×4 128→128': 'winograd4', '16×4×4 128→16': 'direct' });
  expect(fixedPlan(graph, 'strict')).toEqual({ '16×4×4 128→128': 'winograd2', '16×4×4 128→16': 'direct' });
});

it('is measured for every shape, and gives another engine the same numbers to the last bit', async () => {
  const measuring = await createEngine({ engine: 'compiled', plan: 'measured', threads: 1 });
  const one = await measuring.compile(step, first, specs);
  const shapes = Object.keys(one.plan).filter((key) => !/ d[xw]$/.test(key));
  expect(shapes.sort()).toEqual(['16×4×4 128→128', '16×4×4 128→16']);
  for (const candidate of Object.values(one.plan)) expect(CANDIDATES).toContain(candidate);
  const repeating = await createEngine({ engine: 'compiled', plan: one.plan, threads: 1 });
  const other = await repeating.compile(step, first, specs);
  expect(other.plan).toEqual(one.plan);
  const batch = { x: host([16, 4, 4, 128], 3) };
  for (let run = 0; run < 3; run++) expect(await one.run(batch)).toEqual(await other.run(batch));
  expect(await one.state()).toEqual(await other.state());
  await Promise.all([one.dispose(), other.dispose()]);
});

it('is kept on the disk where it is measured, and not measured again', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'plans-'));
  const path = join(folder, 'kernels.json');
  const planned = async () => {
    const options = { engine: 'compiled', plan: 'measured', threads: 1, cacheFolder: folder } as const;
    const compiled = await (await createEngine(options)).compile(step, first, specs);
    await compiled.dispose();
    return compiled.plan;
  };
  try {
    const measured = await planned();
    const text = await readFile(path, 'utf8');
    expect(Object.values(JSON.parse(text))).toEqual([measured]);
    await writeFile(path, text.replace(/"16×4×4 128→16": "\w+"/, '"16×4×4 128→16": "winograd2"'));
    expect(await planned()).toEqual({ ...measured, '16×4×4 128→16': 'winograd2' });
  } finally {
    await rm(folder, { recursive: true });
  }
});

it('is what the caller gives for a step, before what the engine would choose, and for its own shapes alone', async () => {
  const engine = await createEngine({ engine: 'compiled', threads: 1 });
  const given = { '16×4×4 128→128': 'winograd2', '1×1×1 1→1': 'direct' } as const;
  const compiled = await engine.compile(step, first, specs, { plan: given });
  const chosen = fixedPlan(recordStep(step, state, specs), 'fast', (await blockOfThisMachine()) !== null);
  expect(compiled.plan).toEqual({ ...chosen, '16×4×4 128→128': 'winograd2' });
  await compiled.dispose();
});

it('never chooses tiles of four where it is strict', async () => {
  const strict = await createEngine({
    engine: 'compiled',
    plan: 'measured',
    precision: 'strict',
    threads: 1,
  });
  const compiled = await strict.compile(step, first, specs);
  expect(Object.values(compiled.plan)).not.toContain('winograd4');
  await compiled.dispose();
});

/** A 1×1, a strided and a depthwise convolution, and products that turn a side, each with its gradients. */
const several: StepFunction = (_, { x, pointwise, strided, depthwise, dense }) => {
  const { value, grads } = tf.valueAndGrads((a, b, c, d) => {
    const wide = tf.conv2d(x as Tensor4D, a as Tensor4D, 1, 'same');
    const apart = tf.depthwiseConv2d(wide, c as Tensor4D, 1, 'same');
    const small = tf.conv2d(apart, b as Tensor4D, 2, 'same');
    return tf.mean(tf.square(tf.matMul(tf.mean(small, [1, 2]), d!)));
  })([pointwise!, strided!, depthwise!, dense!]);
  const named = { pointwise: grads[0]!, strided: grads[1]!, depthwise: grads[2]!, dense: grads[3]! };
  return { state: {}, metrics: { value, ...named } };
};
const tensors = {
  x: spec(2, 8, 8, 24),
  pointwise: spec(1, 1, 24, 32),
  strided: spec(3, 3, 32, 16),
  depthwise: spec(3, 3, 32, 1),
  dense: spec(16, 4),
};

it.each([true, false])('has every heavy op, fixed and measured, with direct kernels: %s', async (blocked) => {
  const shapes = [
    '1×1 2×8×8 24→32',
    '3×3/2 2×8×8 32→16 padded 0 1 1 0',
    'depthwise 3×3 2×8×8 32',
    'product 16×2×4 aᵀ·b',
    'product 2×4×16 a·bᵀ',
  ];
  for (const plan of ['fixed', 'measured'] as const) {
    const engine = await createEngine({ engine: 'compiled', threads: 1, blocked, plan });
    const compiled = await engine.compile(several, {}, tensors);
    const found = Object.keys(compiled.plan).filter((key) => !/ d[xw]$/.test(key));
    expect(found.sort()).toEqual(shapes);
    await compiled.dispose();
  }
});

it('is known to the cache of steps: another plan is another step', () => {
  const graph = recordStep(step, state, specs);
  const keyOfStep = (plan: Plan) => stepKey(graph, { block: 16, threads: 1, plan });
  const fixed = fixedPlan(graph, 'fast');
  expect(keyOfStep({ ...fixed })).toBe(keyOfStep(fixed));
  expect(keyOfStep({ ...fixed, '16×4×4 128→16 dw': 'taps' })).not.toBe(keyOfStep(fixed));
});

it('chooses the fastest by its fastest run, where it wins most rounds, and by a margin', () => {
  const slow = [10, 11, 10];
  expect(winner([slow, [9, 9, 9], [5]])).toBe(2);
  expect(winner([slow, [9.9, 9.9, 9.9]])).toBe(0);
  // One lucky round.
  expect(winner([slow, [30, 5, 30]])).toBe(0);
});
