/** Networks that follow another one slowly. */
import { type Tensors, tf } from '@rela/engine';
import type { Scalar } from '@tensorflow/tfjs-core';
import { take } from './names.js';

/** m of slow networks while the ReLA loss is in use, so that the switch starts from a warm one (method.md, section 2). */
export const WARMING = 0.99;

/**
 * ξ ← m·ξ + (1 − m)·θ for every tensor of `slow`, from the tensor of the same name in `fast`; written as ξ + (1 − m)·(θ − ξ),
 * so that a network that has arrived stays there to the last bit.
 * @param momentum m; a tensor where it follows a schedule
 */
export function follow(slow: Tensors, fast: Tensors, momentum: number | Scalar): Tensors {
  const share = typeof momentum === 'number' ? 1 - momentum : tf.sub(1, momentum);
  return Object.fromEntries(
    Object.entries(slow).map(([key, tensor]) => [
      key,
      tf.add(tensor, tf.mul(tf.sub(take(fast, key), tensor), share)),
    ]),
  );
}
