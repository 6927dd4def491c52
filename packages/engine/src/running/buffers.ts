/** Tensors between TF.js's order and the form in which the graph wants its state. */
import * as ort from 'onnxruntime-node';
import { type Form, identity, type Measure } from '../onnx/forms.js';
import type { HostTensor, TensorData, TensorSpec } from '../tensors.js';

/** Wraps data without a copy. */
export function wrap(dtype: TensorSpec['dtype'], data: TensorData, sides: readonly number[]): ort.Tensor {
  return dtype === 'bool'
    ? new ort.Tensor('bool', data as Uint8Array, sides)
    : new ort.Tensor(dtype, data as Float32Array, sides);
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
