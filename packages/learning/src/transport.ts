/**
 * ReLA-F: the linear transport head W and the loss L that pulls features to the targets through it
 * (Sun, Jiang, Lin, arXiv 2405.14669; method.md, section 2).
 */
import type { RelaSpec } from '@rela/contracts';
import type { HostTensors, Tensors } from '@rela/engine';
import type { Random } from '@rela/random';
import type { Scalar, Tensor2D, Tensor4D } from '@tensorflow/tfjs-core';
import type { Backbone } from './backbones/backbone.js';
import { linear } from './initial.js';
import { applyLinear } from './layers.js';
import { relaLoss } from './losses.js';
import type { Objective } from './methods/method.js';
import { forwardEach } from './methods/two-views.js';
import { under } from './names.js';

const TRANSPORT = 'transport';

export interface Transport {
  /** W [d, k] and its bias [k], as torch.nn.Linear starts. */
  init(random: Random): HostTensors;
  /** 'fixed' leaves W at its random start, as the authors' code does: the backbone alone learns to reach the targets. */
  trainable(key: string): boolean;
  /** L on two views x′, x″ [B, H, W, C] of images with targets y [B, k]; the views are separate batches to batch norm. */
  loss(weights: Tensors, views: readonly [Tensor4D, Tensor4D], targets: Tensor2D): Objective;
  /** L of features that are there already, φ of each view [B, d]: what a blend adds to its method's loss. */
  distance(weights: Tensors, features: readonly Tensor2D[], targets: Tensor2D): Scalar;
}

/** @param options.k width of the targets */
export function createTransport(options: {
  backbone: Backbone;
  k: number;
  transport: RelaSpec['transport'];
}): Transport {
  const { backbone, k, transport } = options;
  const isTransport = (key: string) => key.startsWith(`${TRANSPORT}.`);
  const distance = (weights: Tensors, features: readonly Tensor2D[], targets: Tensor2D): Scalar =>
    relaLoss(
      features.map((h) => applyLinear(weights, TRANSPORT, h)),
      targets,
    );
  return {
    init: (random) => under(`${TRANSPORT}.`, linear(backbone.width, k, random.fork(TRANSPORT))),
    trainable: (key) => transport === 'learned' && isTransport(key),
    distance,
    loss(weights, views, targets) {
      const { features, statistics } = forwardEach(backbone, weights, views);
      return { loss: distance(weights, features, targets), features, statistics };
    },
  };
}
