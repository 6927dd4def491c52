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
import { type Tensors, tf } from '@rela/engine';
import type { Tensor2D, Tensor4D } from '@tensorflow/tfjs-core';
import type { Backbone } from '../backbones/backbone.js';
import { meanCosine } from '../losses.js';
import { follow } from '../moving-average.js';
import { only, take, under, within } from '../names.js';
import { applyHead, initHead } from './head.js';
import type { Method, Views } from './method.js';

export interface ByolOptions {
  backbone: Backbone;
  /** m */
  momentum: number;
  /** Width of the projection; 256 in the paper. */
  projection: number;
}

const PROJECTOR = 'projector';
const PREDICTOR = 'predictor';
const TARGET = 'target.';

/** Of the online network, what the target network has a copy of. */
const isFollowed = (key: string) => key.startsWith('backbone.') || key.startsWith(`${PROJECTOR}.`);

export function createByol({ backbone, momentum, projection }: ByolOptions): Method {
  const hidden = 2 * backbone.width;

  /** φ and g: x [B, H, W, C] → h [B, d], z [B, projection] */
  const project = (weights: Tensors, x: Tensor4D) => {
    const { features, statistics } = backbone.forward(within(weights, 'backbone.'), x, 'training');
    return { features, statistics, z: applyHead(weights, PROJECTOR, features) };
  };

  return {
    name: 'byol',
    views: 2,

    init(random, backboneWeights) {
      // Behind the projector comes the predictor's first layer and its batch norm: a bias of z has no effect on p.
      const projector = initHead(PROJECTOR, [backbone.width, hidden, projection], random, { bias: false });
      const predictor = initHead(PREDICTOR, [projection, hidden, projection], random);
      const copied = { ...under('backbone.', backboneWeights), ...projector };
      return { ...projector, ...predictor, ...under(TARGET, copied) };
    },

    trainable: (key) => !key.startsWith(TARGET),

    constants(weights, views) {
      const target = within(weights, TARGET);
      const [x1, x2] = bothViews(views);
      return { z1: project(target, x1).z, z2: project(target, x2).z };
    },

    loss(weights, views, constants) {
      const [x1, x2] = bothViews(views);
      const first = project(weights, x1);
      const second = project({ ...weights, ...under('backbone.', first.statistics) }, x2);
      const p1 = applyHead(weights, PREDICTOR, first.z);
      const p2 = applyHead(weights, PREDICTOR, second.z);
      const agreement = tf.add(
        meanCosine(p1, take<Tensor2D>(constants, 'z2')),
        meanCosine(p2, take<Tensor2D>(constants, 'z1')),
      );
      return { loss: tf.mul(-0.5, agreement), features: first.features, statistics: second.statistics };
    },

    follow(weights, scheduled) {
      const m = scheduled ?? momentum;
      return under(TARGET, follow(within(weights, TARGET), only(weights, isFollowed), m));
    },
  };
}

function bothViews({ view1, view2 }: Views): [Tensor4D, Tensor4D] {
  if (!view2) throw new RangeError('BYOL takes two views of every image; the batch has one.');
  return [view1, view2];
}
