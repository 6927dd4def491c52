/**
 * Weights as PyTorch holds them: torchvision's and timm's names with filters [out, in, height, width] and linear layers [out, in], so
 * that `load_state_dict` takes what we write, and we take what they publish.
 */
import { ProblemError } from '@rela/contracts';
import type { HostTensor, HostTensors } from '@rela/engine';
import type { Backbone } from './backbones/backbone.js';
import { backboneSpecs, firstDifference } from './given-weights.js';
import { inverse, JOINED, permuted, QUERIES, torchOrder, VALUES } from './torch-layout.js';

/** One bias out of two: that of keys, which ours do not have, is the same function with zeros. */
function joinBiases(weights: HostTensors): HostTensors {
  const joined: HostTensors = {};
  for (const [name, tensor] of Object.entries(weights)) {
    if (name.endsWith(VALUES)) continue;
    if (!name.endsWith(QUERIES)) {
      joined[name] = tensor;
      continue;
    }
    const block = name.slice(0, -QUERIES.length);
    const width = tensor.data.length;
    const data = new Float32Array(3 * width);
    data.set(tensor.data as Float32Array);
    data.set(weights[block + VALUES]!.data as Float32Array, 2 * width);
    joined[block + JOINED] = { dtype: 'float32', shape: [3 * width], data };
  }
  return joined;
}

function splitBiases(stateDict: HostTensors): HostTensors {
  const split: HostTensors = {};
  for (const [name, tensor] of Object.entries(stateDict)) {
    if (!name.endsWith(JOINED)) {
      split[name] = tensor;
      continue;
    }
    const block = name.slice(0, -JOINED.length);
    const width = tensor.data.length / 3;
    const part = (from: number): HostTensor => ({
      dtype: 'float32',
      shape: [width],
      data: new Float32Array(tensor.data.slice(from, from + width)),
    });
    split[block + QUERIES] = part(0);
    split[block + VALUES] = part(2 * width);
  }
  return split;
}

/** A backbone's weights and running statistics, for `load_state_dict`. */
export function toStateDict(weights: HostTensors): HostTensors {
  return Object.fromEntries(
    Object.entries(joinBiases(weights)).map(([name, tensor]) => {
      const order = torchOrder(tensor.shape);
      return [name, order ? permuted(tensor, order) : tensor];
    }),
  );
}

/**
 * The weights of a backbone from what PyTorch holds. Heads of classifiers and counters of batch norm are left out.
 * @throws ProblemError `invalid-data` naming the first tensor that is missing, that has another shape or type, or that the backbone lacks
 */
export function fromStateDict(backbone: Backbone, stateDict: HostTensors): HostTensors {
  const difference = firstDifference(backbone, stateDict);
  if (difference)
    throw new ProblemError(
      'invalid-data',
      `The weights do not fit the backbone: ${difference}. Name the backbone, stem, image size and channels that they belong to.`,
    );
  const given = splitBiases(stateDict);
  return Object.fromEntries(
    Object.entries(backboneSpecs(backbone)).map(([name, { shape }]) => {
      const order = torchOrder(shape);
      const tensor = given[name]!;
      return [name, order ? permuted(tensor, inverse(order)) : tensor];
    }),
  );
}
