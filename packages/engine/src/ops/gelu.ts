/** GELU, the activation of transformers. */
import type { Tensor } from '@tensorflow/tfjs-core';
import { tf } from '../tf.js';

/**
 * x · Φ(x), with Φ the distribution function of a normal number (Hendrycks & Gimpel 2016), exact and not by tanh.
 * The gradient is Φ(x) + x · φ(x); TF.js's own computes Φ's part in four more passes.
 */
export function gelu<T extends Tensor>(x: T): T {
  const activate = tf.customGrad((...given: unknown[]) => {
    const [input, save] = given as [Tensor, (tensors: Tensor[]) => void];
    const share = tf.add(tf.mul(tf.erf(tf.mul(input, Math.SQRT1_2)), 0.5), 0.5);
    save([input, share]);
    return {
      value: tf.mul(input, share),
      gradFunc: (dy: Tensor, saved: Tensor[]) => {
        const [x0, phi] = saved as [Tensor, Tensor];
        const density = tf.mul(tf.exp(tf.mul(tf.square(x0), -0.5)), 1 / Math.sqrt(2 * Math.PI));
        return tf.mul(dy, tf.add(phi, tf.mul(x0, density)));
      },
    };
  });
  return activate(x) as T;
}
