/**
 * The part of an ONNX model that choosing an output needs (onnx.proto3): its nodes by the names they read and write,
 * inputs, outputs, metadata. Weights stay opaque.
 */
import { ProblemError } from '@rela/contracts';
import { whatItIs } from './foreign.js';
import { bodiesOf, type Field, integerOf, readFields, textOf, textsOf } from './wire.js';

/** Field numbers of onnx.proto3, by message. */
export const FIELD = {
  model: { irVersion: 1, producer: 2, graph: 7, opset: 8, metadata: 14, training: 20 },
  opset: { domain: 1, version: 2 },
  entry: { key: 1, value: 2 },
  graph: { node: 1, name: 2, initializer: 5, input: 11, output: 12, valueInfo: 13, sparseInitializer: 15 },
  node: { input: 1, output: 2, name: 3, opType: 4, attribute: 5, domain: 7 },
  attribute: {
    name: 1,
    i: 3,
    s: 4,
    tensor: 5,
    graph: 6,
    ints: 8,
    tensors: 10,
    graphs: 11,
    type: 20,
    sparse: 22,
    sparses: 23,
  },
  tensor: { dims: 1, dataType: 2, name: 8, raw: 9, external: 13, location: 14 },
  sparse: { values: 1, indices: 2 },
  valueInfo: { name: 1, type: 2 },
  type: { tensor: 1 },
  tensorType: { elemType: 1, shape: 2 },
  shape: { dim: 1 },
  dim: { value: 1, param: 2 },
} as const;

/** TensorProto.DataType. */
const ELEMENT_TYPES = {
  1: 'float32',
  2: 'uint8',
  3: 'int8',
  4: 'uint16',
  5: 'int16',
  6: 'int32',
  7: 'int64',
  8: 'string',
  9: 'bool',
  10: 'float16',
  11: 'float64',
  12: 'uint32',
  13: 'uint64',
  16: 'bfloat16',
} as const;
export type ElementType = (typeof ELEMENT_TYPES)[keyof typeof ELEMENT_TYPES];

export interface ValueInfo {
  name: string;
  /** Null where the model does not say, or names a type that is not in the list. */
  type: ElementType | null;
  /** A number, the name of a dynamic dimension, or null where it is not said. Null as a whole: no shape, or no tensor. */
  shape: (number | string | null)[] | null;
}

export interface OnnxNode {
  name: string;
  opType: string;
  /** Names it reads, those that its subgraphs take from outside included. */
  reads: string[];
  writes: string[];
  raw: Uint8Array;
}

export interface OnnxModel {
  bytes: Uint8Array;
  fields: Field[];
  graph: Field[];
  irVersion: number;
  /** Version of the default operator set; 0 where the model imports none. */
  opset: number;
  metadata: ReadonlyMap<string, string>;
  nodes: OnnxNode[];
  initializers: ReadonlySet<string>;
  /** Inputs without those that only give an initializer its type. */
  inputs: ValueInfo[];
  outputs: ValueInfo[];
}

const MAX_NODES = 200_000;
const MAX_SUBGRAPH_DEPTH = 16;
const EXTERNAL = 1;

/** @throws ProblemError `invalid-model` where the bytes are no ONNX model, or one that keeps its weights elsewhere */
export function parseModel(bytes: Uint8Array): OnnxModel {
  const foreign = whatItIs(bytes);
  if (foreign !== null) throw new ProblemError('invalid-model', `The file is not an ONNX model: ${foreign}`);
  try {
    return parseFields(bytes);
  } catch (error) {
    if (error instanceof ProblemError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new ProblemError(
      'invalid-model',
      `The file is not an ONNX model, or one that was cut short: its ${bytes.length} bytes do not read as one (${reason}). Export or upload it again.`,
      undefined,
      { cause: error },
    );
  }
}

function parseFields(bytes: Uint8Array): OnnxModel {
  const fields = readFields(bytes);
  const graphBody = bodiesOf(fields, FIELD.model.graph).at(-1);
  const opsets = bodiesOf(fields, FIELD.model.opset).map(readFields);
  if (graphBody === undefined || opsets.length === 0)
    throw new ProblemError(
      'invalid-model',
      `The file is not an ONNX model: it has ${graphBody === undefined ? 'no graph' : 'no operator set'}. Its first bytes are ${hex(bytes)}. Upload the .onnx file itself.`,
    );
  const graph = readFields(graphBody);
  const nodeBodies = bodiesOf(graph, FIELD.graph.node);
  if (nodeBodies.length > MAX_NODES)
    throw new ProblemError(
      'invalid-model',
      `The model has ${nodeBodies.length} nodes; at most ${MAX_NODES} are read. Simplify it before it is exported.`,
    );
  const initializers = new Set([
    ...bodiesOf(graph, FIELD.graph.initializer).map((body) => checkTensor(readFields(body))),
    ...bodiesOf(graph, FIELD.graph.sparseInitializer).map((body) => checkSparse(body)),
  ]);
  const defaultOpset = opsets.find((opset) => ['', 'ai.onnx'].includes(textOf(opset, FIELD.opset.domain)));
  return {
    bytes,
    fields,
    graph,
    irVersion: integerOf(fields, FIELD.model.irVersion, 0),
    opset: defaultOpset ? integerOf(defaultOpset, FIELD.opset.version, 0) : 0,
    metadata: new Map(
      bodiesOf(fields, FIELD.model.metadata)
        .map(readFields)
        .map((entry) => [textOf(entry, FIELD.entry.key), textOf(entry, FIELD.entry.value)]),
    ),
    nodes: graph
      .filter((field) => field.id === FIELD.graph.node)
      .map((field) => parseNode(field.body, field.raw, 0)),
    initializers,
    inputs: bodiesOf(graph, FIELD.graph.input)
      .map(parseValueInfo)
      .filter((input) => !initializers.has(input.name)),
    outputs: bodiesOf(graph, FIELD.graph.output).map(parseValueInfo),
  };
}

function parseNode(body: Uint8Array, raw: Uint8Array, depth: number): OnnxNode {
  const fields = readFields(body);
  const reads = textsOf(fields, FIELD.node.input);
  for (const attribute of bodiesOf(fields, FIELD.node.attribute).map(readFields)) {
    for (const id of [FIELD.attribute.tensor, FIELD.attribute.tensors])
      for (const tensor of bodiesOf(attribute, id)) checkTensor(readFields(tensor));
    for (const id of [FIELD.attribute.sparse, FIELD.attribute.sparses])
      for (const sparse of bodiesOf(attribute, id)) checkSparse(sparse);
    for (const id of [FIELD.attribute.graph, FIELD.attribute.graphs])
      for (const subgraph of bodiesOf(attribute, id))
        reads.push(...namesTakenFromOutside(subgraph, depth + 1));
  }
  return {
    name: textOf(fields, FIELD.node.name),
    opType: textOf(fields, FIELD.node.opType),
    reads: reads.filter((name) => name !== ''),
    writes: textsOf(fields, FIELD.node.output).filter((name) => name !== ''),
    raw,
  };
}

/** A subgraph (of If, Loop, Scan) may read values of the graph around it. */
function namesTakenFromOutside(body: Uint8Array, depth: number): string[] {
  if (depth > MAX_SUBGRAPH_DEPTH)
    throw new ProblemError(
      'invalid-model',
      `The model nests subgraphs more than ${MAX_SUBGRAPH_DEPTH} deep.`,
    );
  const graph = readFields(body);
  const nodes = bodiesOf(graph, FIELD.graph.node).map((node) => parseNode(node, node, depth));
  const inside = new Set([
    ...nodes.flatMap((node) => node.writes),
    ...bodiesOf(graph, FIELD.graph.initializer).map((tensor) => checkTensor(readFields(tensor))),
    ...bodiesOf(graph, FIELD.graph.input).map((input) => parseValueInfo(input).name),
  ]);
  const read = [
    ...nodes.flatMap((node) => node.reads),
    ...bodiesOf(graph, FIELD.graph.output).map((output) => parseValueInfo(output).name),
  ];
  return read.filter((name) => !inside.has(name));
}

/** Name of a tensor that carries its own data. @throws ProblemError where the data are in another file */
function checkTensor(tensor: Field[]): string {
  const name = textOf(tensor, FIELD.tensor.name);
  const external =
    integerOf(tensor, FIELD.tensor.location, 0) === EXTERNAL ||
    bodiesOf(tensor, FIELD.tensor.external).length > 0;
  if (external)
    throw new ProblemError(
      'invalid-model',
      `The model keeps its weights in another file (${name === '' ? 'a constant' : `"${name}"`} is external data), which was not uploaded. Embed them: onnx.save_model(onnx.load(PATH), PATH, save_as_external_data=False).`,
    );
  return name;
}

function checkSparse(body: Uint8Array): string {
  const sparse = readFields(body);
  for (const indices of bodiesOf(sparse, FIELD.sparse.indices)) checkTensor(readFields(indices));
  const names = bodiesOf(sparse, FIELD.sparse.values).map((values) => checkTensor(readFields(values)));
  return names.at(-1) ?? '';
}

function parseValueInfo(body: Uint8Array): ValueInfo {
  const fields = readFields(body);
  const name = textOf(fields, FIELD.valueInfo.name);
  const type = bodiesOf(fields, FIELD.valueInfo.type).map(readFields).at(-1);
  const tensor = type && bodiesOf(type, FIELD.type.tensor).map(readFields).at(-1);
  if (!tensor) return { name, type: null, shape: null };
  const shape = bodiesOf(tensor, FIELD.tensorType.shape).map(readFields).at(-1);
  return {
    name,
    type: elementType(integerOf(tensor, FIELD.tensorType.elemType, 0)),
    shape: shape ? bodiesOf(shape, FIELD.shape.dim).map(parseDimension) : null,
  };
}

const elementType = (code: number): ElementType | null =>
  code in ELEMENT_TYPES ? ELEMENT_TYPES[code as keyof typeof ELEMENT_TYPES] : null;

function parseDimension(body: Uint8Array): number | string | null {
  const fields = readFields(body);
  const name = textOf(fields, FIELD.dim.param);
  if (name !== '') return name;
  const size = integerOf(fields, FIELD.dim.value, 0);
  // Exporters write 0 and -1 as well as nothing for a dimension that they do not know.
  return size > 0 ? size : null;
}

/** Such as `float32 [batch, 3, 224, 224]`. */
export function describeValue({ type, shape }: ValueInfo): string {
  const dimensions = shape === null ? 'shape not stated' : `[${shape.map((size) => size ?? '?').join(', ')}]`;
  return `${type ?? 'type not stated'} ${dimensions}`;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.subarray(0, 8))
    .toString('hex')
    .replace(/..(?=.)/g, '$& ');
}
