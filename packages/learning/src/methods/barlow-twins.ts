/**
 * Barlow Twins: Zbontar, Jing, Misra, LeCun, Deny, "Barlow Twins: Self-Supervised Learning via Redundancy Reduction" (ICML 2021),
 * algorithm 1.
 *
 *   z′ = g(φ(x′)),  z″ = g(φ(x″)), every dimension at mean 0 and variance 1 over the batch
 *   C = z′ᵀ z″ / B      the cross-correlation of their dimensions
 *   loss = Σ_i (1 − C_ii)² + λ · Σ_i Σ_{j ≠ i} C_ij²
 *
 * g has three layers of one width, the first two with batch norm and ReLU. The views are separate batches to batch norm.
 */
import type { MethodOptions } from '@rela/contracts';
import { tf } from '@rela/engine';
import type { Scalar, Tensor2D } from '@tensorflow/tfjs-core';
import { standardise } from '../layers.js';
import { byolViews } from './byol.js';
import { applyHead, initHead } from './head.js';
import type { MethodPage } from './method.js';
import { bothViews, forwardEach } from './two-views.js';

const PROJECTOR = 'projector';

/** @param z1 z′ [B, w], standardised @param z2 z″ [B, w], standardised */
export function redundancyReduction(z1: Tensor2D, z2: Tensor2D, lambda: number): Scalar {
  const [rows, width] = z1.shape;
  const correlation = tf.div(tf.matMul(z1, z2, true), rows);
  const own = tf.eye(width);
  // On the diagonal (1 − C)², elsewhere λ · C².
  const weights = tf.add(tf.mul(own, 1 - lambda), lambda);
  return tf.sum(tf.mul(tf.square(tf.sub(own, correlation)), weights));
}

export const barlowTwins: MethodPage<MethodOptions<'barlow-twins'>> = {
  create({ lambda, projection }, { backbone, image }) {
    const width = projection ?? 4 * backbone.width;
    return {
      // Appendix C: BYOL's augmentation.
      views: byolViews(image.size),
      // The last layer's output is standardised: a bias would have no effect.
      init: (random) => initHead(PROJECTOR, [backbone.width, width, width, width], random, { bias: false }),
      trainable: () => true,
      constants: () => ({}),
      loss(weights, batch) {
        const { features, statistics } = forwardEach(backbone, weights, bothViews(batch));
        const [z1, z2] = features.map((h) => standardise(applyHead(weights, PROJECTOR, h))) as [
          Tensor2D,
          Tensor2D,
        ];
        return { loss: redundancyReduction(z1, z2, lambda), features, statistics };
      },
      follow: () => ({}),
    };
  },
};
