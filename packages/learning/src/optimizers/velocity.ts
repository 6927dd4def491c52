/** The velocity of momentum, one for every trained tensor. */
import type { HostTensors } from '@rela/engine';
import { filled } from '../initial.js';

/** Zeros in the shapes of the parameters, under the names that `nameOf` gives them. */
export function initVelocities(parameters: HostTensors, nameOf: (key: string) => string): HostTensors {
  return Object.fromEntries(
    Object.entries(parameters).map(([key, { shape }]) => [nameOf(key), filled(shape, 0)]),
  );
}
