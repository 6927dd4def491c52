/** Weights that a run is given instead of drawing them, as a state dict: whether they are those of its backbone. */
import type { HostTensors, TensorSpec } from '@rela/engine';
import type { Random } from '@rela/random';
import type { Backbone } from './backbones/backbone.js';
import { JOINED, QUERIES, torchOrder, VALUES } from './torch-layout.js';

/** Zeros for every draw: shapes come of it as of any other, in a fraction of the time. */
const ZEROS: Random = {
  next: () => 0,
  normal: () => 0,
  int: () => 0,
  permutation: (count) => new Uint32Array(count),
  fork: () => ZEROS,
};

/** Heads of published classifiers, counters of batch norm: nothing that features are made of. */
const BESIDE = /^(fc|classifier|head|head_dist|fc_norm)\.|(^|\.)num_batches_tracked$/;

/** Names, shapes and types of a backbone's weights and running statistics, as they are trained here. */
export function backboneSpecs(backbone: Backbone): Record<string, TensorSpec> {
  return Object.fromEntries(
    Object.entries(backbone.init(ZEROS)).map(([key, { shape, dtype }]) => [key, { shape, dtype }]),
  );
}

/** The same, as PyTorch has them. */
function stateDictSpecs(backbone: Backbone): Record<string, TensorSpec> {
  const specs: Record<string, TensorSpec> = {};
  for (const [key, { shape, dtype }] of Object.entries(backboneSpecs(backbone))) {
    if (key.endsWith(VALUES)) continue;
    if (key.endsWith(QUERIES))
      specs[key.slice(0, -QUERIES.length) + JOINED] = { dtype, shape: [3 * shape[0]!] };
    else specs[key] = { dtype, shape: torchOrder(shape)?.map((axis) => shape[axis]!) ?? shape };
  }
  return specs;
}

const describe = ({ dtype, shape }: TensorSpec) => `${dtype} [${shape.join(', ')}]`;

/**
 * What the first tensor is in which a state dict differs, in the backbone's order; null where all are as they should be. Heads of
 * classifiers (`fc.`, `classifier.`, `head.`, `head_dist.`, `fc_norm.`) and counters of batch norm are passed over.
 */
export function firstDifference(
  backbone: Backbone,
  stateDict: Record<string, TensorSpec> | HostTensors,
): string | null {
  const expected = stateDictSpecs(backbone);
  for (const [key, spec] of Object.entries(expected)) {
    const tensor = stateDict[key];
    if (!tensor) return `tensor "${key}" is missing; ${backbone.spec.name} has it as ${describe(spec)}`;
    if (describe(tensor) !== describe(spec))
      return `tensor "${key}" is ${describe(tensor)}; in ${backbone.spec.name} it is ${describe(spec)}`;
  }
  const strange = Object.keys(stateDict).find((key) => !(key in expected) && !BESIDE.test(key));
  return strange === undefined
    ? null
    : `${backbone.spec.name} has no tensor "${strange}" ${describe(stateDict[strange]!)}`;
}
