/** Tensors between TF.js's order and the form in which the graph wants its state. */
import * as ort from 'onnxruntime-node';
import { type Form, identity, isIdentity, sidesIn } from '../onnx/forms.js';
import {
  allocate,
  type HostTensor,
  sizeOf,
  type TensorData,
  type TensorSpec,
  transpose,
} from '../tensors.js';

/** Wraps data without a copy. */
export function wrap(dtype: TensorSpec['dtype'], data: TensorData, sides: readonly number[]): ort.Tensor {
  return dtype === 'bool'
    ? new ort.Tensor('bool', data as Uint8Array, sides)
    : new ort.Tensor(dtype, data as Float32Array, sides);
}

export function emptyTensor({ dtype, shape }: TensorSpec, form: Form = identity(shape.length)): ort.Tensor {
  return wrap(dtype, allocate(dtype, sizeOf(shape)), sidesIn(shape, form));
}

/** A copy of a host tensor in `form`. */
export function toForm({ dtype, shape, data }: HostTensor, form: Form): ort.Tensor {
  const moved = isIdentity(form) ? data.slice() : transpose(data, shape, form);
  return wrap(dtype, moved, sidesIn(shape, form));
}

/** A copy of a tensor that stands in `form`, in TF.js's order. */
export function fromForm(tensor: ort.Tensor, { dtype, shape }: TensorSpec, form: Form): HostTensor {
  const data = tensor.data as TensorData;
  if (isIdentity(form)) return { dtype, shape: [...shape], data: data.slice() };
  const back = form.map((_, axis) => form.indexOf(axis));
  return { dtype, shape: [...shape], data: transpose(data, sidesIn(shape, form), back) };
}
