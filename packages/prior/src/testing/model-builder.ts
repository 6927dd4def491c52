/** Writes small ONNX models for the tests of this package, from the fields of onnx.proto3 up. Left out of the build. */
import { FIELD } from '../onnx/model.js';
import { MessageWriter } from '../onnx/wire.js';

const ELEMENT = { float32: 1, uint8: 2, int64: 7, bool: 9, float16: 10, float64: 11 } as const;
export type ElementName = keyof typeof ELEMENT;

export interface ModelValue {
  name: string;
  type?: ElementName;
  /** Names for dynamic dimensions; left out: the shape is not stated. */
  shape?: (number | string)[];
}

type Attribute = number | number[] | { float: number } | { text: string } | { graph: Uint8Array };

export interface ModelNode {
  op: string;
  inputs: string[];
  outputs: string[];
  name?: string;
  attributes?: Record<string, Attribute>;
}

export interface ModelTensor {
  name: string;
  dims: number[];
  data: Float32Array | BigInt64Array | Float64Array | Uint16Array;
  /** Keeps the data in another file, of this name. */
  external?: string;
}

export interface ModelSpec {
  opset?: number;
  irVersion?: number;
  inputs: ModelValue[];
  outputs: ModelValue[];
  nodes: ModelNode[];
  tensors?: ModelTensor[];
  metadata?: Record<string, string>;
}

export function buildModel(spec: ModelSpec): Uint8Array {
  const model = new MessageWriter()
    .integer(FIELD.model.irVersion, spec.irVersion ?? 8)
    .text(FIELD.model.producer, 'rela-tests')
    .message(FIELD.model.graph, buildGraph(spec))
    .message(FIELD.model.opset, new MessageWriter().integer(FIELD.opset.version, spec.opset ?? 17).finish());
  for (const [key, value] of Object.entries(spec.metadata ?? {}))
    model.message(
      FIELD.model.metadata,
      new MessageWriter().text(FIELD.entry.key, key).text(FIELD.entry.value, value).finish(),
    );
  return model.finish();
}

export function buildGraph({ nodes, tensors = [], inputs, outputs }: ModelSpec): Uint8Array {
  const graph = new MessageWriter();
  for (const node of nodes) graph.message(FIELD.graph.node, buildNode(node));
  graph.text(FIELD.graph.name, 'graph');
  for (const tensor of tensors) graph.message(FIELD.graph.initializer, buildTensor(tensor));
  for (const input of inputs) graph.message(FIELD.graph.input, buildValue(input));
  for (const output of outputs) graph.message(FIELD.graph.output, buildValue(output));
  return graph.finish();
}

function buildValue({ name, type = 'float32', shape }: ModelValue): Uint8Array {
  const tensor = new MessageWriter().integer(FIELD.tensorType.elemType, ELEMENT[type]);
  if (shape) {
    const dimensions = new MessageWriter();
    for (const size of shape)
      dimensions.message(
        FIELD.shape.dim,
        typeof size === 'number'
          ? new MessageWriter().integer(FIELD.dim.value, size).finish()
          : new MessageWriter().text(FIELD.dim.param, size).finish(),
      );
    tensor.message(FIELD.tensorType.shape, dimensions.finish());
  }
  const wrapped = new MessageWriter().message(FIELD.type.tensor, tensor.finish());
  return new MessageWriter()
    .text(FIELD.valueInfo.name, name)
    .message(FIELD.valueInfo.type, wrapped.finish())
    .finish();
}

function buildNode({ op, inputs, outputs, name, attributes = {} }: ModelNode): Uint8Array {
  const node = new MessageWriter();
  for (const input of inputs) node.text(FIELD.node.input, input);
  for (const output of outputs) node.text(FIELD.node.output, output);
  if (name) node.text(FIELD.node.name, name);
  node.text(FIELD.node.opType, op);
  for (const [key, value] of Object.entries(attributes))
    node.message(FIELD.node.attribute, buildAttribute(key, value));
  return node.finish();
}

/** AttributeProto.AttributeType and the field that holds each. */
const ATTRIBUTE = { float: [1, 2], integer: [2, 3], text: [3, 4], graph: [5, 6], integers: [7, 8] } as const;

function buildAttribute(name: string, value: Attribute): Uint8Array {
  const attribute = new MessageWriter().text(FIELD.attribute.name, name);
  const finish = (type: number) => attribute.integer(FIELD.attribute.type, type).finish();
  if (typeof value === 'number')
    return attribute.integer(ATTRIBUTE.integer[1], value) && finish(ATTRIBUTE.integer[0]);
  if (Array.isArray(value)) {
    for (const item of value) attribute.integer(ATTRIBUTE.integers[1], item);
    return finish(ATTRIBUTE.integers[0]);
  }
  if ('text' in value) return attribute.text(ATTRIBUTE.text[1], value.text) && finish(ATTRIBUTE.text[0]);
  if ('graph' in value)
    return attribute.message(ATTRIBUTE.graph[1], value.graph) && finish(ATTRIBUTE.graph[0]);
  const float = Buffer.alloc(5);
  float.writeUInt8((ATTRIBUTE.float[1] << 3) | 5);
  float.writeFloatLE(value.float, 1);
  return attribute.raw(float) && finish(ATTRIBUTE.float[0]);
}

function buildTensor({ name, dims, data, external }: ModelTensor): Uint8Array {
  const type =
    data instanceof Float32Array
      ? ELEMENT.float32
      : data instanceof Float64Array
        ? ELEMENT.float64
        : data instanceof Uint16Array
          ? ELEMENT.float16
          : ELEMENT.int64;
  const tensor = new MessageWriter();
  for (const size of dims) tensor.integer(FIELD.tensor.dims, size);
  tensor.integer(FIELD.tensor.dataType, type).text(FIELD.tensor.name, name);
  if (external === undefined)
    return tensor
      .message(FIELD.tensor.raw, new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
      .finish();
  const location = new MessageWriter().text(FIELD.entry.key, 'location').text(FIELD.entry.value, external);
  return tensor.message(FIELD.tensor.external, location.finish()).integer(FIELD.tensor.location, 1).finish();
}
