/**
 * SimCLR: Chen, Kornblith, Norouzi, Hinton, "A Simple Framework for Contrastive Learning of Visual Representations" (ICML 2020),
 * algorithm 1.
 *
 *   z′ = g(φ(x′)),  z″ = g(φ(x″)); all 2B of them in one list z
 *   s(i, j) = cos(z_i, z_j)
 *   ℓ(i, j) = −log exp(s(i, j) / τ) / Σ_{k ≠ i} exp(s(i, k) / τ)
 *   loss = mean of ℓ over the 2B pairs of a view and the other view of its image (NT-Xent)
 *
 * Both views are one batch of 2B to the network, as in the authors' code, so that batch norm sees them together. The projection
 * g has one hidden layer as wide as the features and, as in their code, a batch norm behind it.
 */
import type { MethodOptions, ViewRecipe } from '@rela/contracts';
import { tf } from '@rela/engine';
import type { Scalar, Tensor2D } from '@tensorflow/tfjs-core';
import { normalizeRows } from '../losses.js';
import { blurred, coloured, isSmall, plainView, resizedCrop, smallestShare } from '../views.js';
import { applyHead, initHead } from './head.js';
import type { MethodPage } from './method.js';
import { bothViews, forwardStacked, viewsOf } from './two-views.js';

const PROJECTOR = 'projector';
/** Takes a score out of a softmax: far below any cosine over τ. */
const NEVER = -1e9;

/** Appendix A, colour distortion of strength 1; strength ½ for small images, as in appendix B.9. Both views alike. */
function simclrViews(size: number): ViewRecipe[] {
  const strength = isSmall(size) ? 0.5 : 1;
  const view = {
    ...plainView(size, resizedCrop(smallestShare(size))),
    ...coloured(0.8 * strength, 0.8 * strength, 0.8 * strength, 0.2 * strength),
    flip: 0.5,
    blur: blurred(size, 0.5),
  };
  return [view, view];
}

/** NT-Xent of z [2B, w], the first views of B images and then their second views. */
export function ntXent(z: Tensor2D, temperature: number): Scalar {
  const rows = z.shape[0];
  const unit = normalizeRows(z);
  const scores: Tensor2D = tf.div(tf.matMul(unit, unit, false, true), temperature);
  const self = tf.eye(rows);
  const other = tf.concat([tf.slice(self, rows / 2, rows / 2), tf.slice(self, 0, rows / 2)], 0);
  const chosen = tf.mul(tf.logSoftmax(tf.add(scores, tf.mul(self, NEVER))), other);
  return tf.neg(tf.div(tf.sum(chosen), rows));
}

export const simclr: MethodPage<MethodOptions<'simclr'>> = {
  create: ({ temperature, projection }, { backbone, image }) => ({
    views: simclrViews(image.size),
    init: (random) => initHead(PROJECTOR, [backbone.width, backbone.width, projection], random),
    trainable: () => true,
    constants: () => ({}),
    loss(weights, batch) {
      const { features, statistics } = forwardStacked(backbone, weights, bothViews(batch));
      const z = applyHead(weights, PROJECTOR, features);
      return { loss: ntXent(z, temperature), features: viewsOf(features, 2), statistics };
    },
    follow: () => ({}),
  }),
};
