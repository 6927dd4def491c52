/**
 * BYOL: Grill et al., "Bootstrap Your Own Latent" (NeurIPS 2020), algorithm 1, in the sizes of method.md, section 2.
 *
 *   online θ: backbone φ, projector g, predictor q     target ξ: backbone, projector
 *   p′ = q(g(φ(x′))),  p″ = q(g(φ(x″)))                z′, z″ from the target network
 *   loss = ½ · mean_B[−cos(p′, sg z″)] + ½ · mean_B[−cos(p″, sg z′)]
 *   after the optimizer's step: ξ ← m·ξ + (1 − m)·θ
 *
 * The two views are separate batches to both networks, as in the paper's code: batch norm sees one view at a time, and the
 * running statistics take in the one, then the other. The target network, too, runs on batch statistics; the running ones
 * that it carries follow the online network's with m like its weights, so that it is a whole network at any time.
 */
import type { MethodOptions, ViewRecipe } from '@rela/contracts';
import { type Tensors, tf } from '@rela/engine';
import type { Tensor2D, Tensor4D } from '@tensorflow/tfjs-core';
import { meanCosine } from '../losses.js';
import { follow } from '../moving-average.js';
import { only, take, under, within } from '../names.js';
import { blurred, coloured, plainView, resizedCrop, smallestShare } from '../views.js';
import { applyHead, initHead } from './head.js';
import type { Method, MethodPage } from './method.js';
import { bothViews, forwardEach } from './two-views.js';

const PROJECTOR = 'projector';
const PREDICTOR = 'predictor';
const TARGET = 'target.';

/** Of the online network, what the target network has a copy of. */
const isFollowed = (key: string) => key.startsWith('backbone.') || key.startsWith(`${PROJECTOR}.`);

/** T and T′ of appendix B, table 6: the first view always blurred, the second sometimes solarised. */
export function byolViews(size: number): [ViewRecipe, ViewRecipe] {
  const shared = {
    ...plainView(size, resizedCrop(smallestShare(size))),
    ...coloured(0.4, 0.4, 0.2, 0.1),
    flip: 0.5,
  };
  return [
    { ...shared, blur: blurred(size, 1) },
    { ...shared, blur: blurred(size, 0.1), solarize: 0.2 },
  ];
}

export const byol: MethodPage<MethodOptions<'byol'>> = {
  create({ momentum, projection }, { backbone, image }): Method {
    const hidden = 2 * backbone.width;

    /** φ and g of the target network: x [B, H, W, C] → z [B, projection] */
    const target = (weights: Tensors, x: Tensor4D): Tensor2D => {
      const network = within(weights, TARGET);
      const { features } = backbone.forward(within(network, 'backbone.'), x, 'training');
      return applyHead(network, PROJECTOR, features);
    };

    return {
      views: byolViews(image.size),

      init(random, backboneWeights) {
        // Behind the projector comes the predictor's first layer and its batch norm: a bias of z has no effect on p.
        const projector = initHead(PROJECTOR, [backbone.width, hidden, projection], random, { bias: false });
        const predictor = initHead(PREDICTOR, [projection, hidden, projection], random);
        const copied = { ...under('backbone.', backboneWeights), ...projector };
        return { ...projector, ...predictor, ...under(TARGET, copied) };
      },

      trainable: (key) => !key.startsWith(TARGET),

      constants(weights, batch) {
        const [x1, x2] = bothViews(batch);
        return { z1: target(weights, x1), z2: target(weights, x2) };
      },

      loss(weights, batch, constants) {
        const { features, statistics } = forwardEach(backbone, weights, bothViews(batch));
        const [p1, p2] = features.map((h) =>
          applyHead(weights, PREDICTOR, applyHead(weights, PROJECTOR, h)),
        ) as [Tensor2D, Tensor2D];
        const agreement = tf.add(
          meanCosine(p1, take<Tensor2D>(constants, 'z2')),
          meanCosine(p2, take<Tensor2D>(constants, 'z1')),
        );
        return { loss: tf.mul(-0.5, agreement), features, statistics };
      },

      follow(weights, _, scheduled) {
        const m = scheduled ?? momentum;
        return under(TARGET, follow(within(weights, TARGET), only(weights, isFollowed), m));
      },
    };
  },
};
