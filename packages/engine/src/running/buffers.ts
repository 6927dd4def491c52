/** Tensors between TF.js's order and the form in which the graph wants its state. */
import * as ort from 'onnxruntime-node';
import { type Form, identity, Measure } from '../onnx/forms.js';
import { allocate, type HostTensor, sizeOf, type TensorData, type TensorSpec } from '../tensors.js';

/** For tensors whose axes are whole. */
const WHOLE = new Measure(1);

/** Wraps data without a copy. */
export function wrap(dtype: TensorSpec['dtype'], data: TensorData, sides: readonly number[]): ort.Tensor {
  return dtype === 'bool'
    ? new ort.Tensor('bool', data as Uint8Array, sides)
    : new ort.Tensor(dtype, data as Float32Array, sides);
}

export function emptyTensor(
  { dtype, shape }: TensorSpec,
  form: Form = identity(shape.length),
  measure = WHOLE,
): ort.Tensor {
  return wrap(dtype, allocate(dtype, sizeOf(shape)), measure.sides(shape, form));
}

/** A copy of a host tensor in `form`. */
export function toForm({ dtype, shape, data }: HostTensor, form: Form, measure: Measure): ort.Tensor {
  return wrap(dtype, measure.convert(data, shape, identity(shape.length), form), measure.sides(shape, form));
}

/** A copy of a tensor that stands in `form`, in TF.js's order. */
export function fromForm(
  tensor: ort.Tensor,
  { dtype, shape }: TensorSpec,
  form: Form,
  measure: Measure,
): HostTensor {
  const data = measure.convert(tensor.data as TensorData, shape, form, identity(shape.length));
  return { dtype, shape: [...shape], data };
}
