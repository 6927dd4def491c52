/**
 * LARS: You, Gitman and Ginsburg, "Large Batch Training of Convolutional Networks" (arXiv 1708.03888), in the form in which
 * SimCLR, BYOL and Barlow Twins use it: the learning rate is outside of the momentum, the trust ratio is that of the
 * gradient with its decay, and biases and norms are neither decayed nor adapted.
 */
import type { OptimizerSpec } from '@rela/contracts';
import { type Tensors, tf } from '@rela/engine';
import type { Scalar, Tensor } from '@tensorflow/tfjs-core';
import { take } from '../names.js';
import { isWeight, type Optimizer } from './optimizer.js';
import { initVelocities } from './velocity.js';

export type LarsOptions = Pick<
  Extract<OptimizerSpec, { name: 'lars' }>,
  'weightDecay' | 'momentum' | 'trust'
>;

const velocity = (key: string) => `lars.v.${key}`;

/** ‖x‖ [] */
const lengthOf = (x: Tensor): Scalar => tf.sqrt(tf.sum(tf.square(x)));

/**
 * Of every matrix and filter:  u ← g + λ·θ;  u ← u · trust·‖θ‖ / ‖u‖ (1 where either length is 0)
 * Of biases and norms:         u ← g
 * Of all:                      v ← μ·v + u;  θ ← θ − η·v
 */
export function createLars({ weightDecay, momentum, trust }: LarsOptions): Optimizer {
  const adapted = (parameter: Tensor, gradient: Tensor): Tensor => {
    const u = tf.add(gradient, tf.mul(parameter, weightDecay));
    const [weight, way] = [lengthOf(parameter), lengthOf(u)];
    const hasLength = tf.logicalAnd(tf.greater(weight, 0), tf.greater(way, 0));
    const ratio = tf.div(tf.mul(weight, trust), tf.where(hasLength, way, tf.onesLike(way)));
    return tf.mul(u, tf.where(hasLength, ratio, tf.onesLike(ratio)));
  };

  return {
    init(parameters) {
      return initVelocities(parameters, velocity);
    },

    update(state, gradients, learningRate) {
      const next: Tensors = {};
      for (const [key, gradient] of Object.entries(gradients)) {
        const parameter = take(state, key);
        const u = isWeight(parameter) ? adapted(parameter, gradient) : gradient;
        const v = tf.add(tf.mul(take(state, velocity(key)), momentum), u);
        next[velocity(key)] = v;
        next[key] = tf.sub(parameter, tf.mul(v, learningRate));
      }
      return next;
    },
  };
}
