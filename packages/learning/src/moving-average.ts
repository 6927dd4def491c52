/** Networks that follow another one slowly. */
import { type Tensors, tf } from '@rela/engine';
import { take } from './names.js';

/**
 * ξ ← m·ξ + (1 − m)·θ for every tensor of `slow`, from the tensor of the same name in `fast`; written as ξ + (1 − m)·(θ − ξ),
 * so that a network that has arrived stays there to the last bit.
 */
export function follow(slow: Tensors, fast: Tensors, momentum: number): Tensors {
  return Object.fromEntries(
    Object.entries(slow).map(([key, tensor]) => [
      key,
      tf.add(tensor, tf.mul(tf.sub(take(fast, key), tensor), 1 - momentum)),
    ]),
  );
}
