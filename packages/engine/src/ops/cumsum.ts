/** Running sums. */
import type { Tensor } from '@tensorflow/tfjs-core';
import { tf } from '../tf.js';

/**
 * tf.cumsum with a gradient along any axis: the running sum from the other end. TF.js 4.22's own is right along the last axis only,
 * elsewhere it comes out transposed.
 *
 * @param options exclusive: an element does not count itself; reverse: from the end
 */
export function cumsum<T extends Tensor>(
  x: T,
  axis: number,
  { exclusive = false, reverse = false }: { exclusive?: boolean; reverse?: boolean } = {},
): T {
  const sum = tf.customGrad((...given: unknown[]) => {
    const [input] = given as [Tensor];
    return {
      value: tf.cumsum(input, axis, exclusive, reverse),
      gradFunc: (dy: Tensor) => tf.cumsum(dy, axis, exclusive, !reverse),
    };
  });
  return sum(x) as T;
}
