/**
 * AdamW: Loshchilov and Hutter, "Decoupled Weight Decay Regularization" (ICLR 2019), algorithm 2, in the form of
 * torch.optim.AdamW. Decay 0 makes it Adam.
 */
import type { OptimizerSpec } from '@rela/contracts';
import { type HostTensors, type Tensors, tf } from '@rela/engine';
import type { Tensor } from '@tensorflow/tfjs-core';
import { filled } from '../initial.js';
import { take } from '../names.js';
import { isWeight, type Optimizer } from './optimizer.js';

export type AdamWOptions = Pick<
  Extract<OptimizerSpec, { name: 'adamw' }>,
  'weightDecay' | 'beta1' | 'beta2' | 'epsilon' | 'decay'
>;

/** A step size of 0 is taken as this: it moves nothing that float32 could tell. */
const SHORTEST_STEP = 1e-20;

const moments = (key: string) => ({ first: `adamw.m.${key}`, second: `adamw.v.${key}` });
const corrections = (group: string) => ({ first: `adamw.c1.${group}`, second: `adamw.c2.${group}` });

/**
 * One step on every parameter that has a gradient:
 *   θ ← θ − η·λ·θ;  m ← β₁·m + g;  v ← β₂·v + g²;  c₁ ← β₁·c₁ + 1;  c₂ ← β₂·c₂ + 1
 *   θ ← θ − η · (m / c₁) / (√(v / c₂) + ε)
 * The moments are kept as sums: the paper's (1 − β)·m over its correction 1 − βᵗ is m over the sum of 1, which is what c is.
 * Each is then one product and one sum, and the step one of each more. As torch does by default, weight decay λ is on all trained
 * tensors, biases and batch norms too; with `decay: weights` on matrices and filters alone.
 * @param groupOf parameters of a group always have gradients in the same steps, so that they share a step count.
 * As in torch, steps in which a tensor has no gradient do not count for it: with the count of the whole run, a head that
 * first moves after a long phase without it would start with corrections of 1 on moments near 0, at up to six times the
 * learning rate.
 */
export function createAdamW(options: AdamWOptions, groupOf: (key: string) => string): Optimizer {
  const { decay, weightDecay, beta1, beta2, epsilon } = options;
  const accumulate = (old: Tensor, now: Tensor | number, beta: number) => tf.add(tf.mul(old, beta), now);
  const groupsOf = (keys: string[]) => new Set(keys.map(groupOf));

  return {
    init(parameters) {
      const state: HostTensors = {};
      for (const [key, { shape }] of Object.entries(parameters)) {
        const names = moments(key);
        state[names.first] = filled(shape, 0);
        state[names.second] = filled(shape, 0);
      }
      for (const group of groupsOf(Object.keys(parameters))) {
        const names = corrections(group);
        state[names.first] = filled([], 0);
        state[names.second] = filled([], 0);
      }
      return state;
    },

    update(state, gradients, learningRate) {
      const next: Tensors = {};
      const scales = new Map<string, { root: Tensor; shift: Tensor }>();
      // A step of no length must not divide by zero.
      const length = tf.maximum(learningRate, SHORTEST_STEP);
      for (const group of groupsOf(Object.keys(gradients))) {
        const names = corrections(group);
        const c1 = accumulate(take(state, names.first), 1, beta1);
        const c2 = accumulate(take(state, names.second), 1, beta2);
        next[names.first] = c1;
        next[names.second] = c2;
        // −η · (m / c₁) / (√(v / c₂) + ε) is m / (√v · root + shift): fewer passes over every parameter.
        const inverse = tf.neg(tf.div(c1, length));
        scales.set(group, { root: tf.div(inverse, tf.sqrt(c2)), shift: tf.mul(inverse, epsilon) });
      }
      const kept = tf.sub(1, tf.mul(learningRate, weightDecay));
      for (const [key, gradient] of Object.entries(gradients)) {
        const names = moments(key);
        const { root, shift } = scales.get(groupOf(key))!;
        const m = accumulate(take(state, names.first), gradient, beta1);
        const v = accumulate(take(state, names.second), tf.square(gradient), beta2);
        const step = tf.div(m, tf.add(tf.mul(tf.sqrt(v), root), shift));
        const parameter = take(state, key);
        const decays = weightDecay !== 0 && (decay !== 'weights' || isWeight(parameter));
        next[key] = !decays ? tf.add(parameter, step) : tf.add(tf.mul(parameter, kept), step);
        next[names.first] = m;
        next[names.second] = v;
      }
      return next;
    },
  };
}
