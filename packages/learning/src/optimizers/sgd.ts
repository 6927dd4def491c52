/**
 * Stochastic gradient descent with momentum: Sutskever et al., "On the importance of initialization and momentum in deep
 * learning" (ICML 2013), in the form of torch.optim.SGD, in which the learning rate is outside of the momentum.
 */
import type { OptimizerSpec } from '@rela/contracts';
import { type Tensors, tf } from '@rela/engine';
import type { Tensor } from '@tensorflow/tfjs-core';
import { take } from '../names.js';
import { isWeight, type Optimizer } from './optimizer.js';
import { initVelocities } from './velocity.js';

export type SgdOptions = Pick<
  Extract<OptimizerSpec, { name: 'sgd' }>,
  'weightDecay' | 'momentum' | 'nesterov' | 'decay'
>;

const velocity = (key: string) => `sgd.v.${key}`;

/**
 *   g ← g + λ·θ;  v ← μ·v + g;  θ ← θ − η·v, or with Nesterov's momentum θ ← θ − η·(g + μ·v)
 * λ is the weight decay of all trained tensors, or with `decay: weights` of matrices and filters alone.
 */
export function createSgd({ weightDecay, momentum, nesterov, decay }: SgdOptions): Optimizer {
  return {
    init(parameters) {
      if (momentum === 0) return {};
      return initVelocities(parameters, velocity);
    },

    update(state, gradients, learningRate) {
      const next: Tensors = {};
      for (const [key, gradient] of Object.entries(gradients)) {
        const parameter = take(state, key);
        const decays = weightDecay !== 0 && (decay !== 'weights' || isWeight(parameter));
        const g: Tensor = decays ? tf.add(gradient, tf.mul(parameter, weightDecay)) : gradient;
        let way = g;
        if (momentum !== 0) {
          const v = tf.add(tf.mul(take(state, velocity(key)), momentum), g);
          next[velocity(key)] = v;
          way = nesterov ? tf.add(g, tf.mul(v, momentum)) : v;
        }
        next[key] = tf.sub(parameter, tf.mul(way, learningRate));
      }
      return next;
    },
  };
}
