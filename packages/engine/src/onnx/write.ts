/** Writes a model as protobuf, after the field numbers of onnx.proto3 (ONNX IR version 10). */
import protobuf from 'protobufjs/minimal.js';
import type { OnnxAttribute, OnnxDType, OnnxModel, OnnxNode, OnnxPort, OnnxTensor } from './model.js';
import { OPSET } from './model.js';

const IR_VERSION = 10;
const MICROSOFT_OPSET = 1;
const ELEMENT: Record<OnnxDType, number> = { float32: 1, int32: 6, int64: 7, bool: 9 };
/** AttributeProto.AttributeType and the field of the value. */
const ATTRIBUTE = {
  float: { type: 1, field: 2 },
  int: { type: 2, field: 3 },
  string: { type: 3, field: 4 },
  floats: { type: 6, field: 7 },
  ints: { type: 7, field: 8 },
} as const;

const VARINT = 0;
const LENGTH = 2;
const FIXED32 = 5;
const tag = (field: number, wire: number) => (field << 3) | wire;

type Writer = protobuf.Writer;

class Message {
  constructor(private readonly writer: Writer) {}
  int(field: number, value: number): this {
    this.writer.uint32(tag(field, VARINT)).int64(value);
    return this;
  }
  float(field: number, value: number): this {
    this.writer.uint32(tag(field, FIXED32)).float(value);
    return this;
  }
  text(field: number, value: string): this {
    this.writer.uint32(tag(field, LENGTH)).string(value);
    return this;
  }
  bytes(field: number, value: Uint8Array): this {
    this.writer.uint32(tag(field, LENGTH)).bytes(value);
    return this;
  }
  message(field: number, fill: (inner: Message) => void): this {
    this.writer.uint32(tag(field, LENGTH)).fork();
    fill(this);
    this.writer.ldelim();
    return this;
  }
}

function writeAttribute(message: Message, name: string, attribute: OnnxAttribute): void {
  const { type, field } = ATTRIBUTE[attribute.type];
  message.text(1, name);
  switch (attribute.type) {
    case 'int':
      message.int(field, attribute.value);
      break;
    case 'float':
      message.float(field, attribute.value);
      break;
    case 'string':
      message.bytes(field, Buffer.from(attribute.value));
      break;
    case 'ints':
      for (const value of attribute.value) message.int(field, value);
      break;
    case 'floats':
      for (const value of attribute.value) message.float(field, value);
      break;
    default:
      attribute satisfies never;
  }
  message.int(20, type);
}

/** The name under which ONNX Runtime speaks of a node. */
export const nodeName = ({ op }: OnnxNode, index: number) => `${op}_${index}`;

function writeNode(message: Message, node: OnnxNode, index: number): void {
  for (const input of node.inputs) message.text(1, input);
  for (const output of node.outputs) message.text(2, output);
  message.text(3, nodeName(node, index)).text(4, node.op);
  for (const [name, attribute] of Object.entries(node.attributes))
    message.message(5, (inner) => writeAttribute(inner, name, attribute));
  if (node.domain) message.text(7, node.domain);
}

function writeTensor(message: Message, name: string, { dtype, dims, data }: OnnxTensor): void {
  for (const side of dims) message.int(1, side);
  message.int(2, ELEMENT[dtype]).text(8, name);
  message.bytes(9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}

function writePort(message: Message, { name, dtype, dims }: OnnxPort): void {
  message.text(1, name).message(2, (type) =>
    type.message(1, (tensor) =>
      tensor.int(1, ELEMENT[dtype]).message(2, (shape) => {
        for (const side of dims)
          shape.message(1, (dimension) =>
            typeof side === 'number' ? dimension.int(1, side) : dimension.text(2, side),
          );
      }),
    ),
  );
}

/** An output of type sequence of tensors. */
function writeSequencePort(message: Message, name: string): void {
  message
    .text(1, name)
    .message(2, (type) =>
      type.message(4, (sequence) =>
        sequence.message(1, (element) => element.message(1, (tensor) => tensor.int(1, ELEMENT.float32))),
      ),
    );
}

export function writeModel(model: OnnxModel): Uint8Array {
  const writer = protobuf.Writer.create();
  const message = new Message(writer);
  message.int(1, IR_VERSION).text(2, 'rela-engine');
  message.message(7, (graph) => {
    for (const [index, node] of model.nodes.entries())
      graph.message(1, (inner) => writeNode(inner, node, index));
    graph.text(2, model.name);
    for (const [name, tensor] of model.initializers)
      graph.message(5, (inner) => writeTensor(inner, name, tensor));
    for (const port of model.inputs) graph.message(11, (inner) => writePort(inner, port));
    const { signal } = model;
    if (signal !== undefined) graph.message(12, (inner) => writeSequencePort(inner, signal));
    for (const port of model.outputs) graph.message(12, (inner) => writePort(inner, port));
  });
  message.message(8, (opset) => opset.text(1, '').int(2, OPSET));
  for (const domain of new Set(model.nodes.map((node) => node.domain)))
    if (domain) message.message(8, (opset) => opset.text(1, domain).int(2, MICROSOFT_OPSET));
  for (const [key, value] of Object.entries(model.metadata))
    message.message(14, (entry) => entry.text(1, key).text(2, value));
  return writer.finish();
}
