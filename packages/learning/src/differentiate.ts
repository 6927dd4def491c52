/** Gradients of a loss together with what its computation makes on the way. */
import { type Tensors, tf } from '@rela/engine';
import type { Scalar } from '@tensorflow/tfjs-core';

/**
 * Computes `objective` and its gradients by TF.js's own differentiation.
 * Stop-gradient is a matter of place: what is computed outside of `objective` is a constant to it, and the by-products are
 * constants to whoever gets them.
 * @param parameters tensors to differentiate by; every one has to have a part in the loss
 * @returns loss [], the gradients under the names of the parameters, the by-products
 */
export function differentiate(
  parameters: Tensors,
  objective: () => { loss: Scalar; byproducts: Tensors },
): { loss: Scalar; gradients: Tensors; byproducts: Tensors } {
  const keys = Object.keys(parameters);
  let kept: Tensors = {};
  // TF.js frees all but the loss at the end of the forward pass: by-products are kept beyond it, then handed to the caller.
  const { value, grads } = tf.valueAndGrads(() => {
    const { loss, byproducts } = objective();
    kept = Object.fromEntries(
      Object.entries(byproducts).map(([key, tensor]) => [key, tf.keep(tf.clone(tensor))]),
    );
    return loss;
  })(keys.map((key) => parameters[key]!));
  const byproducts = Object.fromEntries(
    Object.entries(kept).map(([key, tensor]) => {
      const handed = tf.clone(tensor);
      tensor.dispose();
      return [key, handed];
    }),
  );
  return {
    loss: value as Scalar,
    gradients: Object.fromEntries(keys.map((key, index) => [key, grads[index]!])),
    byproducts,
  };
}
