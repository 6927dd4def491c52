/** Networks that follow another one slowly. */
import { type Tensors, tf } from '@rela/engine';
import { take } from './names.js';

/** ξ ← m·ξ + (1 − m)·θ for every tensor of `slow`, from the tensor of the same name in `fast`. */
export function follow(slow: Tensors, fast: Tensors, momentum: number): Tensors {
  return Object.fromEntries(
    Object.entries(slow).map(([key, tensor]) => [
      key,
      tf.add(tf.mul(tensor, momentum), tf.mul(take(fast, key), 1 - momentum)),
    ]),
  );
}
