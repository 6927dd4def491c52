import { mkdtemp, readdir, readFile, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { HostTensors, StepFunction, TensorSpec } from '../tensors.js';
import { tf } from '../tf.js';
import { type CompiledOptions, createCompiledEngine } from './compiled.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'steps-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const descent =
  (rate: number): StepFunction =>
  ({ w }, { x }) => {
    const { value, grads } = tf.valueAndGrads((v) =>
      tf.mean(tf.square(tf.conv2d(x as Tensor4D, v as Tensor4D, 1, 1))),
    )([w!]);
    return { state: { w: tf.sub(w!, tf.mul(grads[0]!, rate)) }, metrics: { value } };
  };
const numbers = (shape: number[], seed: number) => ({
  dtype: 'float32' as const,
  shape,
  data: Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, at) => Math.sin(seed + 1.3 * at)),
});

/** The state after two steps, by an engine of its own: nothing is shared but the folder. */
async function train(size = 4, rate = 0.1, options: CompiledOptions = {}): Promise<HostTensors> {
  const batch = { x: numbers([16, size, size, 16], 1) };
  const specs: Record<string, TensorSpec> = { x: { dtype: 'float32', shape: batch.x.shape } };
  const engine = await createCompiledEngine({ threads: 1, cacheFolder: folder, ...options });
  const step = await engine.compile(descent(rate), { w: numbers([3, 3, 16, 16], 2) }, specs);
  for (let run = 0; run < 2; run++) await step.run(batch);
  const state = await step.state();
  await step.dispose();
  return state;
}

const files = () => readdir(folder);

it('takes an equal step from the disk, with the same numbers', async () => {
  const first = await train();
  const [file] = await files();
  const path = join(folder, file!);
  const longAgo = new Date(0);
  await utimes(path, longAgo, longAgo);
  expect(await train()).toEqual(first);
  expect(await files()).toEqual([file]);
  // Reading it set the time of its last use.
  expect((await stat(path)).mtimeMs).toBeGreaterThan(0);
});

it('removes what a killed process left half kept a day ago, and not what another one is keeping', async () => {
  const half = (name: string) => join(folder, `${'0'.repeat(64)}.step.${name.repeat(32)}-000`);
  for (const name of ['a', 'b']) await writeFile(half(name), 'half');
  const twoDaysAgo = new Date(Date.now() - 2 * 86_400_000);
  await utimes(half('a'), twoDaysAgo, twoDaysAgo);
  await train();
  const left = (await files()).filter((name) => !name.endsWith('.step'));
  expect(left.map((name) => join(folder, name))).toEqual([half('b')]);
});

it('tells steps apart by shape, by number, by threads and by kernels', async () => {
  await train();
  await train(8);
  await train(4, 0.2);
  await train(4, 0.1, { threads: 2 });
  const plain = await train(4, 0.1, { blocked: false });
  expect(await files()).toHaveLength(5);
  expect(await train(4, 0.1, { blocked: false })).toEqual(plain);
  expect(await files()).toHaveLength(5);
});

it('makes a step again whose file is cut off', async () => {
  const first = await train();
  const path = join(folder, (await files())[0]!);
  const whole = await readFile(path);
  for (const length of [0, 3, 40, whole.length - 1]) {
    await truncate(path, length);
    expect(await train()).toEqual(first);
    expect((await readFile(path)).equals(whole)).toBe(true);
  }
});

it('warns, and goes on, where the folder cannot be written', async () => {
  const first = await train();
  const warned = new Promise((resolve) => process.once('warning', resolve));
  const file = join(folder, (await files())[0]!);
  expect(await train(4, 0.1, { cacheFolder: join(file, 'below') })).toEqual(first);
  expect(String(await warned)).toContain('could not be kept in');
});
