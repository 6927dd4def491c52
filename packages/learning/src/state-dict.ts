/**
 * Weights as PyTorch holds them: torchvision's and timm's names with filters [out, in, height, width] and linear layers [out, in], so
 * that `load_state_dict` takes what we write, and we take what they publish.
 */
import { ProblemError } from '@rela/contracts';
import type { HostTensor, HostTensors } from '@rela/engine';
import type { Backbone } from './backbones/backbone.js';
import { backboneSpecs } from './given-weights.js';

/** Of a filter [height, width, in, out]; one with a single filter a channel, [height, width, channels, 1], is depthwise. */
const FROM_WHOLE = [3, 2, 0, 1];
const FROM_DEPTHWISE = [2, 3, 0, 1];
/** Heads of published classifiers, counters of batch norm: nothing that features are made of. */
const BESIDE = /^(fc|classifier|head|head_dist|fc_norm)\.|(^|\.)num_batches_tracked$/;

const sides = (shape: readonly number[]) => `[${shape.join(', ')}]`;

function permuted({ shape, data, dtype }: HostTensor, order: readonly number[]): HostTensor {
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, side) => product * side, 1));
  const turned = order.map((axis) => shape[axis]!);
  const steps = order.map((axis) => strides[axis]!);
  const to = new Float32Array(data.length);
  const at = new Array<number>(shape.length).fill(0);
  let from = 0;
  for (let index = 0; index < to.length; index++) {
    to[index] = data[from]!;
    for (let axis = order.length - 1; axis >= 0; axis--) {
      from += steps[axis]!;
      if (++at[axis]! < turned[axis]!) break;
      from -= steps[axis]! * turned[axis]!;
      at[axis] = 0;
    }
  }
  return { dtype, shape: turned, data: to } as HostTensor;
}

/** The order in which PyTorch has the axes of a tensor of ours; null where it is the same. */
function torchOrder(shape: readonly number[]): readonly number[] | null {
  if (shape.length === 2) return [1, 0];
  if (shape.length !== 4) return null;
  return shape[3] === 1 && shape[2]! > 1 ? FROM_DEPTHWISE : FROM_WHOLE;
}

const inverse = (order: readonly number[]) => order.map((_, axis) => order.indexOf(axis));

/** timm's blocks have one bias for queries, keys and values; ours have none for keys, which is the same function with zeros. */
const JOINED = '.attn.qkv.bias';

function joinBiases(weights: HostTensors): HostTensors {
  const joined: HostTensors = {};
  for (const [name, tensor] of Object.entries(weights)) {
    if (name.endsWith('.attn.v_bias')) continue;
    if (!name.endsWith('.attn.q_bias')) {
      joined[name] = tensor;
      continue;
    }
    const block = name.slice(0, -'.attn.q_bias'.length);
    const width = tensor.data.length;
    const data = new Float32Array(3 * width);
    data.set(tensor.data as Float32Array);
    data.set(weights[`${block}.attn.v_bias`]!.data as Float32Array, 2 * width);
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
    split[`${block}.attn.q_bias`] = part(0);
    split[`${block}.attn.v_bias`] = part(2 * width);
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

function anotherArchitecture(backbone: Backbone, what: string): ProblemError {
  return new ProblemError(
    'invalid-data',
    `These are not the weights of ${backbone.spec.name}: ${what}. Name the backbone, stem and image size that the weights belong to.`,
  );
}

/**
 * The weights of a backbone from what PyTorch holds. Heads and counters of batch norm are left out.
 * @throws ProblemError `invalid-data` naming the first tensor that is missing, that has another shape, or that the backbone lacks
 */
export function fromStateDict(backbone: Backbone, stateDict: HostTensors): HostTensors {
  const given = splitBiases(stateDict);
  const weights: HostTensors = {};
  for (const [name, { shape }] of Object.entries(backboneSpecs(backbone))) {
    const order = torchOrder(shape);
    const expected = order ? order.map((axis) => shape[axis]!) : shape;
    const tensor = given[name];
    if (!tensor) throw anotherArchitecture(backbone, `they lack "${name}" ${sides(expected)}`);
    if (sides(tensor.shape) !== sides(expected))
      throw anotherArchitecture(
        backbone,
        `"${name}" is ${sides(tensor.shape)} where ${sides(expected)} is expected`,
      );
    weights[name] = order ? permuted(tensor, inverse(order)) : tensor;
  }
  const strange = Object.keys(given).find((name) => !(name in weights) && !BESIDE.test(name));
  if (strange)
    throw anotherArchitecture(backbone, `"${strange}" ${sides(given[strange]!.shape)} has no place in it`);
  return weights;
}
