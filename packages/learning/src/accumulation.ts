/**
 * Gradient accumulation: the gradients of n equal parts of a batch are averaged in the state, and the last part's step
 * applies them. One compiled step does it: what a part must not change yet is put back by a selection, which costs
 * a pass over the parameters and their moments a part; a second compiled step would cost a copy of all of them twice a batch.
 */
import { type HostTensors, type Tensors, tf } from '@rela/engine';
import type { Scalar } from '@tensorflow/tfjs-core';
import { filled, scalar } from './initial.js';
import { take, under } from './names.js';

const PREFIX = 'accumulated.';

export const isAccumulated = (key: string): boolean => key.startsWith(PREFIX);

export interface Accumulation {
  /** Sums of zeros for every parameter. */
  init(parameters: HostTensors): HostTensors;
  /** Inputs of a step that say which part of its batch, from 1, it is given. */
  scalars(part: number): HostTensors;
  /** The sums with this part's share, under the names of the parameters. */
  add(state: Tensors, gradients: Tensors, batch: Tensors): Tensors;
  /** `changed` at the last part, else what it was. */
  settle(state: Tensors, changed: Tensors, batch: Tensors): Tensors;
  /** The sums under the names that they have in the state. */
  keep(sums: Tensors): Tensors;
}

export function createAccumulation(parts: number): Accumulation {
  return {
    init: (parameters) =>
      under(
        PREFIX,
        Object.fromEntries(Object.entries(parameters).map(([key, { shape }]) => [key, filled(shape, 0)])),
      ),
    scalars: (part) => ({ isLater: scalar(part === 1 ? 0 : 1), isLast: scalar(part === parts ? 1 : 0) }),
    add(state, gradients, batch) {
      const isLater = take<Scalar>(batch, 'isLater');
      return Object.fromEntries(
        Object.entries(gradients).map(([key, gradient]) => [
          key,
          tf.add(tf.mul(take(state, PREFIX + key), isLater), tf.mul(gradient, 1 / parts)),
        ]),
      );
    },
    settle(state, changed, batch) {
      const isLast = tf.greater(take<Scalar>(batch, 'isLast'), 0.5);
      return Object.fromEntries(
        Object.entries(changed).map(([key, tensor]) => [key, tf.where(isLast, tensor, take(state, key))]),
      );
    },
    keep: (sums) => under(PREFIX, sums),
  };
}
