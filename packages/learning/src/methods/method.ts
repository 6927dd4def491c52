/** A method: what a run minimises after the ReLA phase, or from the first step without ReLA. One page each, beside this one. */
import { type MethodSpec, ProblemError } from '@rela/contracts';
import type { HostTensors, Tensors } from '@rela/engine';
import type { Random } from '@rela/random';
import type { Scalar, Tensor1D, Tensor2D, Tensor4D } from '@tensorflow/tfjs-core';
import type { Backbone } from '../backbones/backbone.js';
import { createByol } from './byol.js';
import { createSupervised } from './supervised.js';

export interface MethodContext {
  backbone: Backbone;
  /** Number of classes, null without labels. */
  classes: number | null;
}

/** A batch as a method sees it. */
export interface Views {
  /** x′ [B, H, W, C], normalised */
  view1: Tensor4D;
  /** x″, for methods of two views */
  view2?: Tensor4D;
  /** int32 [B], −1: not labelled; absent without labels */
  labels?: Tensor1D;
}

export interface Objective {
  loss: Scalar;
  /** φ(x′) [B, d] */
  features: Tensor2D;
  /** Next running statistics of the backbone, under its own names. */
  statistics: Tensors;
}

/**
 * The weights of a method are named like this: the backbone's under 'backbone.', heads beside it ('projector.'), a network
 * that follows under 'target.'.
 */
export interface Method {
  readonly name: MethodSpec['name'];
  /** Augmented views of every image that the method's own loss takes. */
  readonly views: 1 | 2;
  /** Everything but the backbone. `backbone`: its first weights, for networks that begin as its copy. */
  init(random: Random, backbone: HostTensors): HostTensors;
  /** Whether the method's loss trains this tensor of `init`. */
  trainable(key: string): boolean;
  /** What the loss takes as constant; computed before it, so that no gradient flows. */
  constants(weights: Tensors, views: Views): Tensors;
  loss(weights: Tensors, views: Views, constants: Tensors): Objective;
  /**
   * Slow-moving tensors after the optimizer's step, in both phases.
   * @param momentum m of this step []; absent: the method's own constant
   */
  follow(weights: Tensors, momentum?: Scalar): Tensors;
}

/** @throws ProblemError `invalid-request` for a supervised run on data without labels. */
export function createMethod(spec: MethodSpec, { backbone, classes }: MethodContext): Method {
  switch (spec.name) {
    case 'byol':
      return createByol({ ...spec, backbone });
    case 'supervised':
      if (classes === null)
        throw new ProblemError(
          'invalid-request',
          'Supervised training needs labels and this dataset has none. Take a method without labels, such as byol.',
        );
      return createSupervised({ classes, backbone });
    default:
      return spec satisfies never;
  }
}
