/**
 * TF.js's fused kernels (a convolution or product with bias and activation), recorded as the ops that they stand for: what
 * passes and lowerings know of those holds for them too, and ONNX Runtime fuses them again. Layers and converted graphs call
 * them; a step under gradients never does.
 */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { EngineError } from '../errors.js';
import type { Attributes } from '../graph/graph.js';
import { sourceLine } from './source-line.js';

/** Records one plain kernel. */
export type RecordPart = (
  op: string,
  inputs: Record<string, TensorInfo>,
  attributes?: Attributes,
) => TensorInfo;

/** Names of the op without bias and activation, and of its two operands. */
const PARTS: ReadonlyMap<string, { op: string; operands: readonly [string, string] }> = new Map([
  ['FusedConv2D', { op: 'Conv2D', operands: ['x', 'filter'] as const }],
  ['FusedDepthwiseConv2D', { op: 'DepthwiseConv2dNative', operands: ['x', 'filter'] as const }],
  ['_FusedMatMul', { op: 'BatchMatMul', operands: ['a', 'b'] as const }],
]);

export const FUSED_KERNELS: readonly string[] = [...PARTS.keys()];

/** Activations by TF.js's name; `prelu` and `leakyrelu` have parameters of their own. */
const ACTIVATIONS: Readonly<Record<string, string>> = {
  relu: 'Relu',
  relu6: 'Relu6',
  elu: 'Elu',
  sigmoid: 'Sigmoid',
};

/** @throws EngineError `unsupported-op` for an activation that TF.js's CPU backend has not either */
export function recordFused(
  kernel: string,
  inputs: Readonly<Record<string, TensorInfo | undefined>>,
  attributes: Attributes,
  record: RecordPart,
): TensorInfo {
  const { op, operands } = PARTS.get(kernel)!;
  const [first, second] = operands;
  const product = record(op, { [first]: inputs[first]!, [second]: inputs[second]! }, attributes);
  const { bias } = inputs;
  const sum = bias ? record('Add', { a: product, b: bias }) : product;
  return activate(kernel, sum, inputs.preluActivationWeights, attributes, record);
}

function activate(
  kernel: string,
  x: TensorInfo,
  alpha: TensorInfo | undefined,
  attributes: Attributes,
  record: RecordPart,
): TensorInfo {
  const activation = (attributes.activation as string | null | undefined) ?? 'linear';
  if (activation === 'linear') return x;
  if (activation === 'prelu' && alpha) return record('Prelu', { x, alpha });
  if (activation === 'leakyrelu') return record('LeakyRelu', { x }, { alpha: attributes.leakyreluAlpha });
  const plain = ACTIVATIONS[activation];
  if (plain) return record(plain, { x });
  throw new EngineError(
    'unsupported-op',
    `${kernel} with activation ${activation}, called at ${sourceLine()}, cannot be recorded. Write the activation as an op of its own.`,
  );
}

/**
 * Batch norm whose statistics are not one number a channel, as layer normalisation calls it: (x − μ)/√(σ² + ε)·γ + β, element
 * by element.
 */
export function recordElementwiseNorm(
  { x, mean, variance, offset, scale }: Readonly<Record<string, TensorInfo | undefined>>,
  epsilon: TensorInfo,
  record: RecordPart,
): TensorInfo {
  const inverse = record('Rsqrt', { x: record('Add', { a: variance!, b: epsilon }) });
  const centred = record('Multiply', { a: record('Sub', { a: x!, b: mean! }), b: inverse });
  const scaled = scale ? record('Multiply', { a: centred, b: scale }) : centred;
  return offset ? record('Add', { a: scaled, b: offset }) : scaled;
}
