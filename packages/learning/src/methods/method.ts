/** A method: what a run minimises after the ReLA phase, or from the first step without ReLA. One page each, beside this one. */
import type { ViewRecipe } from '@rela/contracts';
import type { HostTensors, Tensors } from '@rela/engine';
import type { Random } from '@rela/random';
import type { Scalar, Tensor1D, Tensor2D, Tensor4D } from '@tensorflow/tfjs-core';
import type { Backbone } from '../backbones/backbone.js';

/** The run that a method trains in. */
export interface MethodContext {
  backbone: Backbone;
  /** Number of classes, null without labels. */
  classes: number | null;
  image: { size: number; channels: number };
  batchSize: number;
  seed: number;
}

/** A batch as a method sees it. */
export interface Batch {
  /** One [B, H, W, C] a recipe of the method's `views`, normalised */
  views: readonly Tensor4D[];
  /** int32 [B], −1: not labelled; absent without labels */
  labels?: Tensor1D;
  /** What the method's `inputs` gave for this step. */
  inputs: Tensors;
}

export interface Objective {
  loss: Scalar;
  /** φ of every whole view that gradients flow through, [B, d] each; the first view's first. */
  features: readonly Tensor2D[];
  /** Next running statistics of the backbone, under its own names. */
  statistics: Tensors;
  /** Next values of tensors of `init` that no gradient moves, such as a queue, under their names. */
  next?: Tensors;
}

/** Where a run stands in its method's own loss. */
export interface MethodStep {
  /** From 1, the first step with the method's own loss. */
  step: number;
  /** Of them in the whole run. */
  totalSteps: number;
  stepsPerEpoch: number;
  /** Of the step's batch, from 1. */
  part: number;
}

/**
 * The weights of a method are named like this: the backbone's under 'backbone.', heads beside it ('projector.'), a network
 * that follows under 'target.'.
 */
export interface Method {
  /** How each view that the method's own loss takes of an image is made. */
  readonly views: readonly ViewRecipe[];
  /** Everything but the backbone. `backbone`: its first weights, for networks that begin as its copy. */
  init(random: Random, backbone: HostTensors): HostTensors;
  /** Whether the method's loss trains this tensor of `init`. */
  trainable(key: string): boolean;
  /** Inputs of a step beside the views: what follows a schedule, counters of random numbers. Same names and shapes at every step. */
  inputs?(at: MethodStep): HostTensors;
  /** The input, 1 or 0, that says whether a step moves this trainable tensor; absent or null: every step does. */
  movesWith?(key: string): string | null;
  /** What the loss takes as constant; computed before it, so that no gradient flows. */
  constants(weights: Tensors, batch: Batch): Tensors;
  loss(weights: Tensors, batch: Batch, constants: Tensors): Objective;
  /**
   * Slow-moving tensors after the optimizer's step, in both phases.
   * @param inputs null in the ReLA phase, which has none of them
   * @param scheduled m of this step [], where the run has a schedule for it; absent: the method's own
   */
  follow(weights: Tensors, inputs: Tensors | null, scheduled?: Scalar): Tensors;
}

/** Something in a run that its method cannot work with. */
export interface MethodFault {
  /** Of the field in the run, such as ['method', 'queue']. */
  path: string[];
  /** What is wrong with it and what to do, to be read behind the field's name. */
  message: string;
}

/** How a method is registered: see registry.ts. */
export interface MethodPage<Options> {
  /** What of the run it cannot work with; absent: it works with every run. */
  faults?(options: Options, context: MethodContext): MethodFault[];
  /** Called only where there are no faults. */
  create(options: Options, context: MethodContext): Method;
}
