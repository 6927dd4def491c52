/** Tensors on the host, and the shape of a training step. */
import type { Tensor } from '@tensorflow/tfjs-core';

export type DType = 'float32' | 'int32' | 'bool';

export interface TensorSpec {
  shape: number[];
  dtype: DType;
}

export type TensorData = Float32Array | Int32Array | Uint8Array;

/** Values in row-major order; `bool` as bytes of 0 and 1. */
export interface HostTensor extends TensorSpec {
  data: TensorData;
}

export type HostTensors = Record<string, HostTensor>;
export type Tensors = Record<string, Tensor>;

/**
 * A pure step in plain TF.js: (state, batch) → (next state, metrics).
 * Keys of the state that are left out of the next state are carried over unchanged.
 */
export type StepFunction = (state: Tensors, batch: Tensors) => { state: Tensors; metrics: Tensors };

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, side) => product * side, 1);
}

export function allocate(dtype: DType, size: number): TensorData {
  if (dtype === 'float32') return new Float32Array(size);
  return dtype === 'int32' ? new Int32Array(size) : new Uint8Array(size);
}

export function isSameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((side, index) => side === b[index]);
}

/** `data` with its axes in another order: axis i of the result is axis `perm[i]` of the source. */
export function transpose(data: TensorData, shape: readonly number[], perm: readonly number[]): TensorData {
  const size = sizeOf(shape);
  const result = data.slice(0, size);
  const strides = shape.map((_, axis) => sizeOf(shape.slice(axis + 1)));
  const sides = perm.map((axis) => shape[axis]!);
  const steps = perm.map((axis) => strides[axis]!);
  const index = new Array<number>(sides.length).fill(0);
  let from = 0;
  for (let to = 0; to < size; to++) {
    result[to] = data[from]!;
    for (let axis = sides.length - 1; axis >= 0; axis--) {
      from += steps[axis]!;
      if (++index[axis]! < sides[axis]!) break;
      from -= steps[axis]! * sides[axis]!;
      index[axis] = 0;
    }
  }
  return result;
}
