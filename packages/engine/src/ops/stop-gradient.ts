/** Where a gradient ends. */
import type { Tensor } from '@tensorflow/tfjs-core';
import { tf } from '../tf.js';

/** The same values, through which no gradient flows. */
export function stopGradient<T extends Tensor>(x: T): T {
  const stop = tf.customGrad((...given: unknown[]) => {
    const [input] = given as [Tensor];
    return { value: tf.clone(input), gradFunc: () => tf.zerosLike(input) };
  });
  return stop(x) as T;
}
