/**
 * AdamW: Loshchilov and Hutter, "Decoupled Weight Decay Regularization" (ICLR 2019), algorithm 2, in the form of
 * torch.optim.AdamW. Decay 0 makes it Adam.
 */
import type { OptimizerSpec } from '@rela/contracts';
import { type HostTensors, type Tensors, tf } from '@rela/engine';
import type { Scalar, Tensor } from '@tensorflow/tfjs-core';
import { filled } from './initial.js';
import { take } from './names.js';

export type AdamWOptions = Pick<OptimizerSpec, 'weightDecay' | 'beta1' | 'beta2' | 'epsilon'>;

export interface AdamW {
  /** Moments of zeros for every parameter, and the bias corrections of its group. */
  init(parameters: HostTensors): HostTensors;
  /**
   * One step on every parameter that has a gradient:
   *   θ ← θ − η·λ·θ;  m ← β₁·m + (1 − β₁)·g;  v ← β₂·v + (1 − β₂)·g²;  θ ← θ − η · (m / c₁) / (√(v / c₂) + ε)
   * As torch does by default, weight decay λ is on all trained tensors, biases and batch norms too.
   * @param state parameters and the optimizer's own tensors
   * @param learningRate η []
   * @returns the parameters and own tensors that changed
   */
  update(state: Tensors, gradients: Tensors, learningRate: Scalar): Tensors;
}

const moments = (key: string) => ({ first: `adamw.first.${key}`, second: `adamw.second.${key}` });
const corrections = (group: string) => ({
  first: `adamw.correction1.${group}`,
  second: `adamw.correction2.${group}`,
});

/**
 * @param groupOf parameters of a group always have gradients in the same steps, so that they share a step count.
 * As in torch, steps in which a tensor has no gradient do not count for it: with the count of the whole run, a head that
 * first moves after a long phase without it would start with corrections of 1 on moments near 0, at up to six times the
 * learning rate.
 */
export function createAdamW(options: AdamWOptions, groupOf: (key: string) => string): AdamW {
  const { weightDecay, beta1, beta2, epsilon } = options;
  const average = (old: Tensor, now: Tensor | number, beta: number) =>
    tf.add(tf.mul(old, beta), typeof now === 'number' ? now * (1 - beta) : tf.mul(now, 1 - beta));
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
      const scales = new Map<string, { stepSize: Tensor; root: Tensor }>();
      for (const group of groupsOf(Object.keys(gradients))) {
        const names = corrections(group);
        // 1 − βᵗ is what a moment of the constant 1 has come to after t steps: this way it needs no count of steps.
        const c1 = average(take(state, names.first), 1, beta1);
        const c2 = average(take(state, names.second), 1, beta2);
        next[names.first] = c1;
        next[names.second] = c2;
        scales.set(group, { stepSize: tf.div(learningRate, c1), root: tf.sqrt(c2) });
      }
      const kept = tf.sub(1, tf.mul(learningRate, weightDecay));
      for (const [key, gradient] of Object.entries(gradients)) {
        const names = moments(key);
        const { stepSize, root } = scales.get(groupOf(key))!;
        const m = average(take(state, names.first), gradient, beta1);
        const v = average(take(state, names.second), tf.square(gradient), beta2);
        const direction = tf.div(m, tf.add(tf.div(tf.sqrt(v), root), epsilon));
        const parameter = take(state, key);
        const decayed = weightDecay === 0 ? parameter : tf.mul(parameter, kept);
        next[key] = tf.sub(decayed, tf.mul(direction, stepSize));
        next[names.first] = m;
        next[names.second] = v;
      }
      return next;
    },
  };
}
