/** Attention over several heads. */
import type { Tensor3D, Tensor4D } from '@tensorflow/tfjs-core';
import { tf } from '../tf.js';

/**
 * Multi-head attention without its projections: softmax(q kᵀ / √d) v for each head (Vaswani et al. 2017, section 3.2).
 * Heads lie side by side in the last axis.
 *
 * @param q queries [B, T, heads · d]
 * @param k keys [B, S, heads · d]
 * @param v values [B, S, heads · d]
 * @returns [B, T, heads · d]
 * @throws RangeError where the last axis is no multiple of `heads`
 */
export function attention(q: Tensor3D, k: Tensor3D, v: Tensor3D, heads: number): Tensor3D {
  const [images, places, width] = q.shape;
  if (width % heads !== 0)
    throw new RangeError(
      `attention: a width of ${width} cannot be divided into ${heads} heads. Take a number of heads that divides it.`,
    );
  const side = width / heads;
  /** [B, T, heads · d] → [B, heads, T, d] */
  const byHead = (x: Tensor3D): Tensor4D =>
    tf.transpose(tf.reshape(x, [images, x.shape[1], heads, side]), [0, 2, 1, 3]);
  // The queries are scaled, not the scores: there are fewer of them where T is larger than d.
  const scores = tf.matMul(byHead(tf.mul(q, 1 / Math.sqrt(side))), byHead(k), false, true);
  const mixed: Tensor4D = tf.matMul(tf.softmax(scores), byHead(v));
  return tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), [images, places, width]);
}
