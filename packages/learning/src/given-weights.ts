/** Weights that a run is given instead of drawing them: whether they are those of its backbone. */
import type { HostTensors, TensorSpec } from '@rela/engine';
import type { Random } from '@rela/random';
import type { Backbone } from './backbones/backbone.js';

/** Zeros for every draw: shapes come of it as of any other, in a fraction of the time. */
const ZEROS: Random = {
  next: () => 0,
  normal: () => 0,
  int: () => 0,
  permutation: (count) => new Uint32Array(count),
  fork: () => ZEROS,
};

/** Names, shapes and types of a backbone's weights and running statistics. */
export function backboneSpecs(backbone: Backbone): Record<string, TensorSpec> {
  return Object.fromEntries(
    Object.entries(backbone.init(ZEROS)).map(([key, { shape, dtype }]) => [key, { shape, dtype }]),
  );
}

const describe = ({ dtype, shape }: TensorSpec) => `${dtype} [${shape.join(', ')}]`;

/** What the first tensor is that differs, in the backbone's order; null where all are as they should be. */
export function firstDifference(
  backbone: Backbone,
  given: Record<string, TensorSpec> | HostTensors,
): string | null {
  const expected = backboneSpecs(backbone);
  for (const [key, spec] of Object.entries(expected)) {
    const tensor = given[key];
    if (!tensor) return `tensor "${key}" is missing; ${backbone.spec.name} has it as ${describe(spec)}`;
    if (describe(tensor) !== describe(spec))
      return `tensor "${key}" is ${describe(tensor)}; in ${backbone.spec.name} it is ${describe(spec)}`;
  }
  const strange = Object.keys(given).find((key) => !(key in expected));
  return strange === undefined ? null : `${backbone.spec.name} has no tensor "${strange}"`;
}
