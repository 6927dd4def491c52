/** Exports a TF.js function with its weights as an ONNX model that any runtime can read. */
import { isDeepStrictEqual } from 'node:util';
import { EngineError } from './errors.js';
import { optimize } from './graph/optimize.js';
import { NCHW } from './onnx/forms.js';
import { lower } from './onnx/lower.js';
import { int, type OnnxModel, type OnnxNode, type OnnxTensor } from './onnx/model.js';
import { writeModel } from './onnx/write.js';
import { record } from './recording/record.js';
import type { HostTensors, TensorSpec, Tensors } from './tensors.js';

export interface ExportOptions {
  inputs: Record<string, TensorSpec>;
  weights: HostTensors;
  /** The first side of every input may vary; it is called N in the model. */
  dynamicBatch?: boolean;
  /** Order of the axes of inputs of rank four; TF.js sees them as NHWC in any case. */
  layout?: 'nchw' | 'nhwc';
  name?: string;
  metadata?: Record<string, string>;
}

/** Batch sizes at which a function of a varying batch is recorded, to see what depends on it. */
const FIRST = 2;
const SECOND = 3;

/**
 * @returns the bytes of an .onnx file
 * @throws EngineError `unsupported-op`; `fixed-batch` where an op fixes the batch size although it should vary
 */
export function exportOnnx(
  fn: (inputs: Tensors, weights: Tensors) => Tensors,
  { inputs, weights, dynamicBatch = true, layout = 'nchw', name = 'model', metadata = {} }: ExportOptions,
): Uint8Array {
  const make = (batch: number | undefined): OnnxModel => {
    const specs = Object.fromEntries(
      Object.entries(inputs).map(([key, { shape, dtype }]) => [
        key,
        { dtype, shape: batch === undefined ? shape : [batch, ...shape.slice(1)] },
      ]),
    );
    const graph = optimize(record(fn, { inputs: specs, constants: weights }));
    const images = [...graph.inputs].filter(([, value]) => layout === 'nchw' && value.shape.length === 4);
    const inputForms = new Map(images.map(([key]) => [key, NCHW]));
    const outputForms = new Map(
      [...graph.outputs].map(([key, value]) => [key, value.shape.map((_, axis) => axis)]),
    );
    return lower(graph, { name, inputForms, outputForms, portable: true, metadata }).model;
  };
  const model = dynamicBatch ? withVaryingBatch(make(FIRST), make(SECOND)) : make(undefined);
  return writeModel(withoutUnread(model));
}

/** ONNX Runtime complains of initializers that nobody reads. */
function withoutUnread(model: OnnxModel): OnnxModel {
  const read = new Set(model.nodes.flatMap((node) => node.inputs));
  return { ...model, initializers: new Map([...model.initializers].filter(([name]) => read.has(name))) };
}

/**
 * Replaces what differs between the two batch sizes: by "whatever remains" (−1) in a Reshape, in an Expand by sides of which one is
 * read from the input.
 */
function withVaryingBatch(first: OnnxModel, second: OnnxModel): OnnxModel {
  const initializers = new Map<string, OnnxTensor>(first.initializers);
  const nodes: OnnxNode[] = [];
  for (const [index, node] of first.nodes.entries()) {
    const other = second.nodes[index];
    if (!other || other.op !== node.op || !isDeepStrictEqual(other.attributes, node.attributes))
      throw fixedBatch(node.op, node.line);
    for (const [at, name] of node.inputs.entries()) {
      const a = first.initializers.get(name);
      const b = second.initializers.get(other.inputs[at]!);
      if (!a || !b || (a.data.length === b.data.length && a.data.every((item, i) => item === b.data[i])))
        continue;
      const isSides = (node.op === 'Reshape' || node.op === 'Expand') && at === 1;
      if (!isSides || a.data.length !== b.data.length) throw fixedBatch(node.op, node.line);
      const [axis, ...others] = [...a.data.keys()].filter((i) => a.data[i] !== b.data[i]);
      if (axis === undefined || others.length > 0) throw fixedBatch(node.op, node.line);
      const sides = a.data as BigInt64Array;
      if (node.op === 'Expand') {
        if (Number(sides[axis]) !== FIRST) throw fixedBatch(node.op, node.line);
        const known = { sides, axis, of: first.inputs[0]!.name, line: node.line };
        node.inputs[at] = withBatchSide(known, `${name}_of${index}`, nodes, initializers);
        continue;
      }
      const free = `${name}_any${axis}`;
      initializers.set(free, { ...a, data: sides.map((side, i) => (i === axis ? -1n : side)) });
      node.inputs[at] = free;
    }
    nodes.push(node);
  }
  const named = (ports: OnnxModel['inputs'], others: OnnxModel['inputs']) =>
    ports.map((port, index) => ({
      ...port,
      dims: port.dims.map((side, axis) => (side === others[index]!.dims[axis] ? side : 'N')),
    }));
  return {
    ...first,
    nodes,
    initializers,
    inputs: named(first.inputs, second.inputs),
    outputs: named(first.outputs, second.outputs),
  };
}

/** Sides as a tensor that is computed: the one at `axis` is the first side of the input `of`. */
function withBatchSide(
  { sides, axis, of, line }: { sides: BigInt64Array; axis: number; of: string; line: string },
  name: string,
  nodes: OnnxNode[],
  initializers: Map<string, OnnxTensor>,
): string {
  const add = (op: string, inputs: string[], output: string, attributes: OnnxNode['attributes']) => {
    nodes.push({ op, domain: '', inputs, outputs: [output], attributes, line });
    return output;
  };
  const part = (data: BigInt64Array, suffix: string) => {
    if (data.length === 0) return [];
    initializers.set(name + suffix, { dtype: 'int64', dims: [data.length], data });
    return [name + suffix];
  };
  const batch = add('Shape', [of], `${name}_batch`, { start: int(0), end: int(1) });
  const parts = [...part(sides.slice(0, axis), '_before'), batch, ...part(sides.slice(axis + 1), '_after')];
  return add('Concat', parts, `${name}_sides`, { axis: int(0) });
}

function fixedBatch(op: string, line: string): EngineError {
  return new EngineError(
    'fixed-batch',
    `${op} at ${line} depends on the batch size in a way that cannot vary. Export with dynamicBatch: false, or write it without the batch size.`,
  );
}
