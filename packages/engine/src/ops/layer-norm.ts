/** Norms over what belongs to one example: layer norm and group norm. */
import type { Tensor, Tensor1D } from '@tensorflow/tfjs-core';
import { tf } from '../tf.js';

/**
 * x̂ = (x − μ) · r with mean μ and r = 1/√(σ² + ε) over `axes`. dx = r · (dy − mean(dy) − x̂ · mean(dy · x̂)), which TF.js's own
 * gradient takes three times the passes for, through both ways that x has into σ.
 */
function standardise(x: Tensor, axes: number[], epsilon: number): Tensor {
  const mean = (value: Tensor) => tf.mean(value, axes, true);
  const standardised = tf.customGrad((...given: unknown[]) => {
    const [input, save] = given as [Tensor, (tensors: Tensor[]) => void];
    const centred = tf.sub(input, mean(input));
    const inverse = tf.rsqrt(tf.add(mean(tf.square(centred)), epsilon));
    const value = tf.mul(centred, inverse);
    save([value, inverse]);
    return {
      value,
      gradFunc: (dy: Tensor, saved: Tensor[]) => {
        const [y, r] = saved as [Tensor, Tensor];
        return tf.mul(tf.sub(tf.sub(dy, mean(dy)), tf.mul(y, mean(tf.mul(dy, y)))), r);
      },
    };
  });
  return standardised(x);
}

/**
 * Layer normalisation over the last axis (Ba, Kiros & Hinton 2016).
 *
 * @param x [..., C]
 * @param gamma scale [C]
 * @param beta shift [C]
 */
export function layerNorm<T extends Tensor>(x: T, gamma: Tensor1D, beta: Tensor1D, epsilon: number): T {
  return tf.add(tf.mul(standardise(x, [x.rank - 1], epsilon), gamma), beta);
}

/**
 * Group normalisation: every example by itself, over its places and the channels of a group (Wu & He 2018).
 *
 * @param x [B, ..., C]
 * @param gamma scale [C]
 * @param beta shift [C]
 * @param groups into how many groups the C channels are divided; C makes it instance norm
 * @throws RangeError where C is no multiple of `groups`
 */
export function groupNorm<T extends Tensor>(
  x: T,
  gamma: Tensor1D,
  beta: Tensor1D,
  { groups, epsilon }: { groups: number; epsilon: number },
): T {
  const [images, channels] = [x.shape[0]!, x.shape.at(-1)!];
  if (channels % groups !== 0)
    throw new RangeError(
      `groupNorm: ${channels} channels cannot be divided into ${groups} groups. Take a number of groups that divides them.`,
    );
  const grouped = tf.reshape(x, [images, x.size / images / channels, groups, channels / groups]);
  const standardised = tf.reshape(standardise(grouped, [1, 3], epsilon), x.shape);
  return tf.add(tf.mul(standardised, gamma), beta);
}
