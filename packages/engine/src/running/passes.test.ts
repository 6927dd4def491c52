import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import { beforeAll, expect, it } from 'vitest';
import { batchNormTraining } from '../ops/index.js';
import { PASSES, type Pass } from '../passes.js';
import type { HostTensors, StepFunction } from '../tensors.js';
import { type Outcome, tensorOf, worstOf } from '../testing/compare.js';
import { tf } from '../tf.js';
import { blockOfThisMachine } from './blocked-probe.js';
import { createCompiledEngine } from './compiled.js';

const block = await blockOfThisMachine();

/** The transform of a filter of so many channels is large enough to be made again. */
const WIDE = 352;
/** A filter to so few channels stays with the direct kernels, and is large enough for its moves to take threads. */
const NARROW = 32;
const STEPS = 2;

/** Convolutions and batch norms, a residual, a ReLU6, and descent with momentum: something for every pass. */
const step: StepFunction = (state, { x, beta }) => {
  const names = Object.keys(state).filter((name) => !name.startsWith('m.'));
  const { value, grads } = tf.valueAndGrads((gain, wide, scale, shift, narrow) => {
    const given = tf.mul(x!, gain!) as Tensor4D;
    const normed = batchNormTraining(
      tf.conv2d(given, wide as Tensor4D, 1, 1),
      scale as never,
      shift as never,
      1e-5,
    ).y;
    const few = tf.conv2d(tf.add(normed, given) as Tensor4D, narrow as Tensor4D, 1, 1);
    const bounded = tf.relu6(tf.mul(tf.add(few, tf.range(0, NARROW)), 0.5));
    // What nobody asks for.
    tf.exp(bounded);
    return tf.mean(tf.square(bounded));
  })(names.map((name) => state[name]!));
  const next: Record<string, (typeof grads)[number]> = {};
  for (const [at, name] of names.entries()) {
    const moment = tf.add(tf.mul(state[`m.${name}`]!, beta!), grads[at]!);
    next[`m.${name}`] = moment;
    next[name] = tf.sub(state[name]!, tf.mul(moment, 0.01));
  }
  return { state: next, metrics: { value } };
};

const parameters = {
  gain: tensorOf(7, [WIDE], 0.5, 1.5),
  wide: tensorOf(1, [3, 3, WIDE, WIDE], -0.05, 0.05),
  scale: tensorOf(2, [WIDE], 0.5, 1.5),
  shift: tensorOf(3, [WIDE]),
  narrow: tensorOf(4, [3, 3, WIDE, NARROW], -0.05, 0.05),
};
const moments = Object.fromEntries(
  Object.entries(parameters).map(([name, { shape }]) => [`m.${name}`, tensorOf(5, shape, 0, 1e-3)]),
);
const state: HostTensors = { ...parameters, ...moments };
const batch: HostTensors = {
  x: tensorOf(6, [2, 4, 4, WIDE]),
  beta: { shape: [], dtype: 'float32', data: Float32Array.of(0.9) },
};

/** What some steps make, and the file of the lowered step. */
async function outcome(without: Pass[]): Promise<Outcome & { file: string }> {
  const cacheFolder = await mkdtemp(join(tmpdir(), 'engine-passes-'));
  try {
    const engine = await createCompiledEngine({ threads: 1, without, cacheFolder });
    const compiled = await engine.compile(step, state, batch);
    let metrics: HostTensors = {};
    for (let count = 0; count < STEPS; count++) metrics = await compiled.run(batch);
    const after = await compiled.state();
    await compiled.dispose();
    const [name] = await readdir(cacheFolder);
    return { metrics, state: after, file: (await readFile(join(cacheFolder, name!))).toString('latin1') };
  } finally {
    await rm(cacheFolder, { recursive: true, force: true });
  }
}

let whole: Outcome & { file: string };
beforeAll(async () => {
  if (block !== null) whole = await outcome([]);
});

it.skipIf(block === null).each(PASSES.map((pass) => [pass]))(
  'makes the same numbers without the pass %s, which changes the graph',
  async (pass) => {
    const other = await outcome([pass]);
    expect(other.file === whole.file, 'the pass has nothing to do').toBe(false);
    for (const part of ['metrics', 'state'] as const) {
      const { key, difference } = worstOf(other[part], whole[part]);
      expect(difference, key).toBeLessThan(2e-4);
    }
  },
);
