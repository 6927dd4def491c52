/** Writes nodes and constants into a graph, under names that no model of an exporter has. */
import { FIELD } from './model.js';
import { MessageWriter } from './wire.js';

/** TensorProto.DataType, AttributeProto.AttributeType. */
const FLOAT = 1;
const INT64 = 7;
const INTEGER_ATTRIBUTE = 2;
const INTEGERS_ATTRIBUTE = 7;

export class NodeWriter {
  private count = 0;
  /** Names of constants by their content: convolutions of one size share theirs. */
  private readonly constants = new Map<string, string>();

  constructor(
    private readonly graph: MessageWriter,
    private readonly prefix: string,
  ) {}

  /** @returns the name of the node's value: `into` where it is given */
  emit(
    op: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, number | readonly number[]>> = {},
    into = this.name(),
  ): string {
    const node = new MessageWriter();
    for (const input of inputs) node.text(FIELD.node.input, input);
    node.text(FIELD.node.output, into).text(FIELD.node.opType, op);
    for (const [name, value] of Object.entries(attributes))
      node.message(FIELD.node.attribute, attributeOf(name, value));
    this.graph.message(FIELD.graph.node, node);
    return into;
  }

  reshape(value: string, sides: readonly number[]): string {
    return this.emit('Reshape', [value, this.integers(sides)]);
  }

  floats(dims: readonly number[], data: Float32Array): string {
    return this.constant(dims, FLOAT, data);
  }

  integers(values: readonly number[]): string {
    return this.constant([values.length], INT64, BigInt64Array.from(values, BigInt));
  }

  private constant(dims: readonly number[], type: number, data: Float32Array | BigInt64Array): string {
    const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    const key = `${type} ${dims} ${bytes.toString('latin1')}`;
    const known = this.constants.get(key);
    if (known !== undefined) return known;
    const name = this.name();
    const tensor = new MessageWriter();
    for (const side of dims) tensor.integer(FIELD.tensor.dims, side);
    tensor
      .integer(FIELD.tensor.dataType, type)
      .text(FIELD.tensor.name, name)
      .message(FIELD.tensor.raw, bytes);
    this.graph.message(FIELD.graph.initializer, tensor);
    this.constants.set(key, name);
    return name;
  }

  private name(): string {
    return `rela/${this.prefix}/${this.count++}`;
  }
}

function attributeOf(name: string, value: number | readonly number[]): MessageWriter {
  const attribute = new MessageWriter().text(FIELD.attribute.name, name);
  if (typeof value === 'number')
    return attribute.integer(FIELD.attribute.i, value).integer(FIELD.attribute.type, INTEGER_ATTRIBUTE);
  for (const item of value) attribute.integer(FIELD.attribute.ints, item);
  return attribute.integer(FIELD.attribute.type, INTEGERS_ATTRIBUTE);
}
