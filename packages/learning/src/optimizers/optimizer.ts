/** An optimizer: how gradients move the tensors that a run trains. One page each, beside this one. */
import type { OptimizerSpec } from '@rela/contracts';
import type { HostTensors, Tensors } from '@rela/engine';
import type { Scalar, Tensor } from '@tensorflow/tfjs-core';
import { createAdamW } from './adamw.js';
import { createLars } from './lars.js';
import { createSgd } from './sgd.js';

export interface Optimizer {
  /** The optimizer's own tensors for these parameters, before the first step. */
  init(parameters: HostTensors): HostTensors;
  /**
   * One step on every parameter that has a gradient; the others stay as they are, and so does what is kept for them.
   * @param state parameters and the optimizer's own tensors
   * @param learningRate η []
   * @returns the parameters and own tensors that changed
   */
  update(state: Tensors, gradients: Tensors, learningRate: Scalar): Tensors;
}

/** What the names of the optimizers' own tensors begin with. */
const OWN = ['adamw.', 'sgd.', 'lars.'];

/** Whether a tensor of a run's state is its optimizer's own. */
export const isOptimizers = (key: string): boolean => OWN.some((prefix) => key.startsWith(prefix));

/**
 * Whether a parameter is a weight: a matrix or a filter. Biases, and scales and shifts of norms, are vectors; papers that
 * leave them out of weight decay mean these.
 */
export const isWeight = ({ shape }: Pick<Tensor, 'shape'>): boolean => shape.length > 1;

/** @param groupOf parameters of a group always have gradients in the same steps */
export function createOptimizer(spec: OptimizerSpec, groupOf: (key: string) => string): Optimizer {
  switch (spec.name) {
    case 'adamw':
      return createAdamW(spec, groupOf);
    case 'sgd':
      return createSgd(spec);
    case 'lars':
      return createLars(spec);
    default:
      return spec satisfies never;
  }
}
