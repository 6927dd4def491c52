/**
 * Numbers of a recorded value that depend on no input, computed when they are asked for. Converted graphs calculate the sizes
 * of their reshapes from the shape of the input and read them back: while a function is recorded shapes are known, so these
 * numbers are too.
 */
import type { BackendValues, KernelBackend, TensorInfo } from '@tensorflow/tfjs-core';
import type { Attributes, GraphNode, Value } from '../graph/graph.js';
import { sizeOf, type TensorData } from '../tensors.js';
import { tf } from '../tf.js';

/** The order of inputs that a kernel's recording keeps; `all` where TF.js hands them over as a list. */
export type InputNames = (op: string) => readonly string[] | 'all' | undefined;

/** Larger values are no sizes, and nobody waits for them. */
const MAX_SIZE = 4096;

/** The part of TF.js's CPU backend that is used here. */
type HostBackend = KernelBackend & {
  makeTensorInfo(shape: number[], dtype: string, values?: BackendValues): TensorInfo;
};

export interface Recorded {
  readonly constants: ReadonlyMap<Value, TensorData>;
  readonly nodes: readonly GraphNode[];
}

/** @returns null where the value depends on an input, is large, or comes out of an op that the CPU backend has not */
export function hostValue(value: Value, recorded: Recorded, namesOf: InputNames): TensorData | null {
  const host = tf.findBackend('cpu') as HostBackend | null;
  if (!host) return null;
  const makers = new Map(recorded.nodes.flatMap((node) => node.outputs.map((output) => [output, node])));
  const known = new Map<Value, TensorData>();

  const compute = (wanted: Value): TensorData | null => {
    const present = known.get(wanted) ?? recorded.constants.get(wanted);
    if (present) return present;
    const node = makers.get(wanted);
    if (!node || node.outputs.some(({ shape }) => sizeOf(shape) > MAX_SIZE)) return null;
    const inputs: TensorInfo[] = [];
    for (const input of node.inputs) {
      const data = sizeOf(input.shape) > MAX_SIZE ? null : compute(input);
      if (!data) return null;
      inputs.push(host.makeTensorInfo([...input.shape], input.dtype, data));
    }
    const made = run(node, inputs, host, namesOf);
    for (const [index, output] of node.outputs.entries()) {
      const result = made?.[index];
      if (result) known.set(output, host.readSync(result.dataId) as TensorData);
    }
    return known.get(wanted) ?? null;
  };
  return compute(value);
}

function run(
  { op, attributes }: GraphNode,
  inputs: TensorInfo[],
  backend: HostBackend,
  namesOf: InputNames,
): TensorInfo[] | null {
  const kernel = tf.getKernel(op, 'cpu');
  const names = namesOf(op);
  if (!kernel || !names) return null;
  const { present, ...attrs } = attributes as Attributes & { present?: string[] };
  const named =
    names === 'all'
      ? inputs
      : Object.fromEntries((present ?? names).map((name, index) => [name, inputs[index]]));
  const made = kernel.kernelFunc({
    inputs: named as unknown as Parameters<typeof kernel.kernelFunc>[0]['inputs'],
    attrs: attrs as unknown as NonNullable<Parameters<typeof kernel.kernelFunc>[0]['attrs']>,
    backend,
  });
  return Array.isArray(made) ? made : [made];
}
