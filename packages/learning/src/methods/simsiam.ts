/**
 * SimSiam: Chen and He, "Exploring Simple Siamese Representation Learning" (CVPR 2021), algorithm 1.
 *
 *   z′ = f(x′),  z″ = f(x″)      f: backbone and a projector of three layers, batch norm behind each, the last without scale and shift
 *   p′ = h(z′),  p″ = h(z″)      h: a predictor of two layers, a bottleneck
 *   loss = ½ · mean_B[−cos(p′, sg z″)] + ½ · mean_B[−cos(p″, sg z′)]
 *
 * There is no other network: sg, the stop-gradient, alone keeps the two from collapsing. The views are separate batches to batch norm.
 */
import type { MethodOptions } from '@rela/contracts';
import { ops, tf } from '@rela/engine';
import type { Scalar, Tensor2D } from '@tensorflow/tfjs-core';
import { standardise } from '../layers.js';
import { meanCosine } from '../losses.js';
import { applyHead, initHead } from './head.js';
import type { MethodPage } from './method.js';
import { mocoViews } from './moco-v2.js';
import { bothViews, forwardEach } from './two-views.js';

const PROJECTOR = 'projector';
const PREDICTOR = 'predictor';

export const simsiam: MethodPage<MethodOptions<'simsiam'>> = {
  create({ projection, predictor }, { backbone, image }) {
    const width = projection ?? backbone.width;
    const hidden = predictor ?? Math.max(1, Math.floor(width / 4));
    return {
      // Section 3, "Baseline settings".
      views: mocoViews(image.size),
      init: (random) => ({
        ...initHead(PROJECTOR, [backbone.width, width, width, width], random, { bias: false }),
        ...initHead(PREDICTOR, [width, hidden, width], random),
      }),
      trainable: () => true,
      constants: () => ({}),
      loss(weights, batch) {
        const { features, statistics } = forwardEach(backbone, weights, bothViews(batch));
        const [z1, z2] = features.map((h) => standardise(applyHead(weights, PROJECTOR, h))) as [
          Tensor2D,
          Tensor2D,
        ];
        const towards = (from: Tensor2D, to: Tensor2D) =>
          meanCosine(applyHead(weights, PREDICTOR, from), ops.stopGradient(to));
        const loss: Scalar = tf.mul(-0.5, tf.add(towards(z1, z2), towards(z2, z1)));
        return { loss, features, statistics };
      },
      follow: () => ({}),
    };
  },
};
