/** Batch norm of a training step. */
import type { Tensor, Tensor1D } from '@tensorflow/tfjs-core';
import { tf } from '../tf.js';
import { stopGradient } from './stop-gradient.js';

/**
 * Batch normalisation with the statistics of the batch (Ioffe & Szegedy 2015, algorithm 1).
 *
 * The gradient is taken through the statistics: with n elements a channel, r = 1/√(σ² + ε) and x̂ = (x − μ)·r,
 * dβ = Σ dy, dγ = Σ dy·x̂, dx = γ·r·(dy − dβ/n − x̂·dγ/n). No gradient flows through the returned statistics.
 *
 * @param x [..., C]
 * @param gamma scale [C]
 * @param beta shift [C]
 * @returns y of x's shape, mean [C] and the biased variance [C] of the batch
 */
export function batchNormTraining<T extends Tensor>(
  x: T,
  gamma: Tensor1D,
  beta: Tensor1D,
  epsilon: number,
): { y: T; mean: Tensor1D; variance: Tensor1D } {
  const axes = x.shape.slice(0, -1).map((_, axis) => axis);
  const count = x.size / x.shape.at(-1)!;
  // The statistics are computed from x outside the gradient's tape; the custom gradient accounts for them.
  const [mean, variance] = statistics(x, axes);
  const normalise = tf.customGrad((...given: unknown[]) => {
    const [input, scale, shift, save] = given as [Tensor, Tensor, Tensor, (tensors: Tensor[]) => void];
    const inverse = tf.rsqrt(tf.add(variance, epsilon));
    const factor = tf.mul(scale, inverse);
    const value = tf.add(tf.mul(input, factor), tf.sub(shift, tf.mul(mean, factor)));
    save([input, inverse, factor, mean]);
    return {
      value,
      gradFunc: (dy: Tensor, saved: Tensor[]) => {
        const [x0, r, f, mu] = saved as [Tensor, Tensor, Tensor, Tensor];
        const dBeta = tf.sum(dy, axes);
        const dGamma = tf.mul(tf.sub(tf.sum(tf.mul(dy, x0), axes), tf.mul(mu, dBeta)), r);
        const slope = tf.mul(tf.mul(tf.mul(f, r), dGamma), -1 / count);
        const offset = tf.sub(tf.mul(tf.mul(f, dBeta), -1 / count), tf.mul(slope, mu));
        return [tf.add(tf.add(tf.mul(dy, f), tf.mul(x0, slope)), offset), dGamma, dBeta];
      },
    };
  });
  return { y: normalise(x, gamma, beta) as T, mean, variance };
}

/** Mean and biased variance a channel, outside any gradient. */
function statistics(x: Tensor, axes: number[]): [Tensor1D, Tensor1D] {
  const detached = stopGradient(x);
  const mean = tf.mean(detached, axes);
  const variance = tf.mean(tf.square(tf.sub(detached, mean)), axes);
  return [mean as Tensor1D, variance as Tensor1D];
}
