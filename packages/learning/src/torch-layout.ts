/** Where PyTorch has the numbers of a tensor: filters [out, in, height, width], linear layers [out, in]. */
import type { HostTensor } from '@rela/engine';

/** Of a filter [height, width, in, out]; one with a single filter a channel, [height, width, channels, 1], is depthwise. */
const FROM_WHOLE = [3, 2, 0, 1];
const FROM_DEPTHWISE = [2, 3, 0, 1];

/** timm's blocks have one bias for queries, keys and values, where ours have `q_bias` and `v_bias`. */
export const [QUERIES, VALUES, JOINED] = ['.attn.q_bias', '.attn.v_bias', '.attn.qkv.bias'] as const;

/** The order in which PyTorch has the axes of a tensor of ours; null where it is the same. */
export function torchOrder(shape: readonly number[]): readonly number[] | null {
  if (shape.length === 2) return [1, 0];
  if (shape.length !== 4) return null;
  return shape[3] === 1 && shape[2]! > 1 ? FROM_DEPTHWISE : FROM_WHOLE;
}

/** The order that takes back what `order` did. */
export const inverse = (order: readonly number[]) => order.map((_, axis) => order.indexOf(axis));

/** The tensor with its axes in that order: the axis `order[0]` comes first. */
export function permuted({ shape, data, dtype }: HostTensor, order: readonly number[]): HostTensor {
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
