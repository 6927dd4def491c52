/** Gradient clipping by the global norm: Pascanu, Mikolov and Bengio, "On the difficulty of training RNNs" (ICML 2013). */
import { type Tensors, tf } from '@rela/engine';
import type { Scalar } from '@tensorflow/tfjs-core';

/** Keeps the scale finite where all gradients are 0, as torch.nn.utils.clip_grad_norm_ does. */
const EPSILON = 1e-6;

/** g ← g · min(1, norm / (‖all g‖ + 10⁻⁶)), one factor for all tensors. */
export function clipByGlobalNorm(gradients: Tensors, norm: number): Tensors {
  // In the order of their names: a state that was stored comes back in another, and sums of floats depend on theirs.
  const squares = Object.keys(gradients)
    .sort()
    .map((key) => tf.sum<Scalar>(tf.square(gradients[key]!)));
  if (squares.length === 0) return gradients;
  const length = tf.sqrt(squares.reduce((sum, square) => tf.add(sum, square)));
  const factor = tf.minimum(1, tf.div(norm, tf.add(length, EPSILON)));
  return Object.fromEntries(
    Object.entries(gradients).map(([key, gradient]) => [key, tf.mul(gradient, factor)]),
  );
}
