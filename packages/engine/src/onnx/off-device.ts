/**
 * Which nodes WebGPU does not run, so that the processor does, with a copy of their tensors to the host and back. Seen with
 * onnxruntime-node 1.30, whose WebGPU provider was asked for every op that a step can become (docs/engines.md).
 */
import type { OnnxModel, OnnxNode } from './model.js';

export interface OffDevice {
  node: OnnxNode;
  index: number;
  /** True where the provider takes the node all the same, and fails or computes something else. */
  mustBeForced: boolean;
}

/** The provider has no kernel. (Nor for casts from int64, which follow ArgMax and TopK; they are as small as what they cast.) */
const WITHOUT_KERNEL = new Set(['IsInf', 'IsNaN', 'Or', 'Round', 'Selu', 'Sign']);

export function nodesOffDevice(model: OnnxModel): OffDevice[] {
  const shapes = new Map(
    model.nodes.filter(({ op }) => op === 'Reshape').map((node) => [node.outputs[0]!, node.inputs[1]!]),
  );
  const firstSideOf = (name: string): number | undefined => {
    const shape = model.initializers.get(shapes.get(name) ?? '');
    return shape && Number(shape.data[0]);
  };
  return model.nodes.flatMap((node, index): OffDevice[] => {
    if (WITHOUT_KERNEL.has(node.op)) return [{ node, index, mustBeForced: false }];
    return isRefusedLater(node) || isMiscomputed(node, firstSideOf)
      ? [{ node, index, mustBeForced: true }]
      : [];
  });
}

/** "The Indices output is not supported yet", at the first run. */
const isRefusedLater = ({ op, outputs }: OnnxNode) => op === 'MaxPool' && outputs.length > 1;

/** A transposed convolution with groups of several channels that make one: its numbers are of other sums. */
function isMiscomputed(
  { op, inputs, attributes }: OnnxNode,
  firstSideOf: (name: string) => number | undefined,
): boolean {
  const group = attributes.group;
  if (op !== 'ConvTranspose' || group?.type !== 'int' || group.value === 1) return false;
  return firstSideOf(inputs[1]!) !== group.value;
}
