/** Records of tensors by name: part of one under a prefix, and tensors that have to be there. */
import type { Tensors } from '@rela/engine';
import type { Tensor } from '@tensorflow/tfjs-core';

/** The tensors under `prefix`, without it. */
export function within<T>(tensors: Record<string, T>, prefix: string): Record<string, T> {
  const found: Record<string, T> = {};
  for (const [key, tensor] of Object.entries(tensors))
    if (key.startsWith(prefix)) found[key.slice(prefix.length)] = tensor;
  return found;
}

/** The same tensors with `prefix` before every name. */
export function under<T>(prefix: string, tensors: Record<string, T>): Record<string, T> {
  return Object.fromEntries(Object.entries(tensors).map(([key, tensor]) => [prefix + key, tensor]));
}

/** The tensors whose names `choose` accepts. */
export function only<T>(tensors: Record<string, T>, choose: (key: string) => boolean): Record<string, T> {
  return Object.fromEntries(Object.entries(tensors).filter(([key]) => choose(key)));
}

/** The tensor of that name. @throws RangeError where there is none: state and step do not belong together. */
export function take<T extends Tensor = Tensor>(tensors: Tensors, key: string): T {
  const tensor = tensors[key];
  if (!tensor)
    throw new RangeError(`There is no tensor "${key}". There are: ${Object.keys(tensors).join(', ')}.`);
  return tensor as T;
}
