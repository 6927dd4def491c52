/**
 * Random numbers inside a step. A recorded step draws none by itself, since it would draw the same in every run; these are a
 * function of a key and a counter that come in with the batch or the state, so that a run that goes on from a checkpoint sees the
 * numbers that it would have seen. Element i of a tensor is word i mod 4 of the Philox block (⌊i / 4⌋, 0, counter) under the key.
 */
import type { Tensor, Tensor1D, TensorInfo } from '@tensorflow/tfjs-core';
import { sizeOf } from '../tensors.js';
import { tf } from '../tf.js';
import { philox } from './philox.js';

/** The kernel behind both; TF.js has none of the kind. */
export const COUNTER_UNIFORM = 'CounterUniform';
/** A word gives a number of as many bits as float32 can hold evenly. */
export const UNIFORM_BITS = 24;

/** TF.js's backends whose tensors can be read and written from JavaScript. */
const HOSTS = ['cpu', 'tensorflow', 'wasm'];

type Pair = readonly [number, number];

function uniformNumbers(size: number, key: Pair, counter: Pair): Float32Array {
  const numbers = new Float32Array(size);
  for (let block = 0; 4 * block < size; block++) {
    const words = philox([block, 0, ...counter], key);
    for (const [at, word] of words.entries())
      if (4 * block + at < size)
        numbers[4 * block + at] = (word >>> (32 - UNIFORM_BITS)) * 2 ** -UNIFORM_BITS;
  }
  return numbers;
}

for (const backendName of HOSTS)
  tf.registerKernel({
    kernelName: COUNTER_UNIFORM,
    backendName,
    kernelFunc: ({ inputs, attrs, backend }) => {
      const { shape } = attrs as unknown as { shape: number[] };
      const host = backend as InstanceType<typeof tf.KernelBackend>;
      const pair = (name: string): Pair => {
        const [low, high] = host.readSync((inputs[name] as TensorInfo).dataId) as Int32Array;
        return [low! >>> 0, high! >>> 0];
      };
      const numbers = uniformNumbers(sizeOf(shape), pair('key'), pair('counter'));
      return { dataId: host.write(numbers, shape, 'float32'), shape, dtype: 'float32' };
    },
  });

/**
 * Uniform numbers in [0, 1), the same on every engine, bit for bit.
 *
 * @param key int32 [2]: which stream, such as (seed, what it is for)
 * @param counter int32 [2]: which draw of the stream, such as (step, 0)
 * @returns float32 of `shape`
 */
export function randomUniform(shape: number[], key: Tensor1D, counter: Tensor1D): Tensor {
  for (const [name, { dtype, shape: sides }] of Object.entries({ key, counter }))
    if (dtype !== 'int32' || sides.length !== 1 || sides[0] !== 2)
      throw new RangeError(
        `randomUniform: ${name} is ${dtype} [${sides}]. Give two words, int32 of shape [2].`,
      );
  return tf.engine().runKernel(COUNTER_UNIFORM, { key, counter }, { shape }) as Tensor;
}

/**
 * Normal numbers of mean 0 and variance 1, by Box and Muller's transform of `randomUniform`; alike on every engine but for the
 * rounding of logarithm and cosine.
 *
 * @param key see `randomUniform`
 * @param counter see `randomUniform`
 * @returns float32 of `shape`
 */
export function randomNormal(shape: number[], key: Tensor1D, counter: Tensor1D): Tensor {
  const [radius, angle] = tf.unstack(randomUniform([2, ...shape], key, counter)) as [Tensor, Tensor];
  // 1 − u is never 0.
  const length = tf.sqrt(tf.mul(tf.log(tf.sub(1, radius)), -2));
  return tf.mul(length, tf.cos(tf.mul(angle, 2 * Math.PI)));
}
