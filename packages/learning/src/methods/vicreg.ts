/**
 * VICReg: Bardes, Ponce, LeCun, "VICReg: Variance-Invariance-Covariance Regularization for Self-Supervised Learning" (ICLR 2022),
 * algorithm 1.
 *
 *   Z = g(φ(x′)),  Z′ = g(φ(x″)), each [B, w]
 *   invariance  s = mean of (Z − Z′)² over images and dimensions
 *   variance    v(Z) = mean_j max(0, 1 − √(Var(z_j) + 10⁻⁴))
 *   covariance  c(Z) = 1/w · Σ_{i ≠ j} Cov(Z)_ij²
 *   loss = λ·s + μ·[v(Z) + v(Z′)] + ν·[c(Z) + c(Z′)]      variances and covariances over B − 1
 *
 * (The authors' released code halves v; the paper's algorithm does not, and counts here.) The expander g has three layers of one width,
 * the first two with batch norm and ReLU. The views are separate batches to batch norm.
 */
import type { MethodOptions, ViewRecipe } from '@rela/contracts';
import { tf } from '@rela/engine';
import type { Scalar, Tensor, Tensor2D } from '@tensorflow/tfjs-core';
import { blurred, coloured, plainView, resizedCrop, smallestShare } from '../views.js';
import { applyHead, initHead } from './head.js';
import type { MethodPage } from './method.js';
import { bothViews, forwardEach } from './two-views.js';

const EXPANDER = 'expander';
/** Keeps the root's gradient finite where a dimension does not vary. */
const EPSILON = 1e-4;

/** Appendix C.1: BYOL's augmentation made alike for both views. */
function vicregViews(size: number): ViewRecipe[] {
  const view = {
    ...plainView(size, resizedCrop(smallestShare(size))),
    ...coloured(0.4, 0.4, 0.2, 0.1),
    flip: 0.5,
    blur: blurred(size, 0.5),
    solarize: 0.1,
  };
  return [view, view];
}

/** v(Z) and c(Z) of Z [B, w]. */
function regularisers(z: Tensor2D): { variance: Scalar; covariance: Scalar } {
  const [rows, width] = z.shape;
  const centred = tf.sub(z, tf.mean(z, 0, true)) as Tensor2D;
  const variances: Tensor = tf.div(tf.sum(tf.square(centred), 0), rows - 1);
  const variance: Scalar = tf.mean(tf.relu(tf.sub(1, tf.sqrt(tf.add(variances, EPSILON)))));
  const covariances = tf.div(tf.matMul(centred, centred, true), rows - 1);
  const apart = tf.mul(tf.square(covariances), tf.sub(1, tf.eye(width)));
  return { variance, covariance: tf.div(tf.sum(apart), width) };
}

/** @param first Z [B, w] @param second Z′ [B, w] */
export function vicregLoss(
  first: Tensor2D,
  second: Tensor2D,
  weights: { invariance: number; variance: number; covariance: number },
): Scalar {
  const [one, other] = [regularisers(first), regularisers(second)];
  const invariance = tf.mean(tf.squaredDifference(first, second));
  return tf.addN([
    tf.mul(invariance, weights.invariance),
    tf.mul(tf.add(one.variance, other.variance), weights.variance),
    tf.mul(tf.add(one.covariance, other.covariance), weights.covariance),
  ]);
}

export const vicreg: MethodPage<MethodOptions<'vicreg'>> = {
  create({ invariance, variance, covariance, projection }, { backbone, image }) {
    const width = projection ?? 4 * backbone.width;
    return {
      views: vicregViews(image.size),
      // No term sees a bias of the last layer.
      init: (random) => initHead(EXPANDER, [backbone.width, width, width, width], random, { bias: false }),
      trainable: () => true,
      constants: () => ({}),
      loss(weights, batch) {
        const { features, statistics } = forwardEach(backbone, weights, bothViews(batch));
        const [first, second] = features.map((h) => applyHead(weights, EXPANDER, h)) as [Tensor2D, Tensor2D];
        const loss = vicregLoss(first, second, { invariance, variance, covariance });
        return { loss, features, statistics };
      },
      follow: () => ({}),
    };
  },
};
