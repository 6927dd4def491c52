/**
 * Cuts a model to what one value needs: the value becomes the only output, and nodes, weights and inputs that it does not
 * depend on are dropped (task heads, the text side of a two-tower model). Half and double precision at the border becomes
 * float32 by a Cast. Everything kept is kept byte for byte.
 */
import { FIELD, type OnnxModel, type OnnxNode, type ValueInfo } from './model.js';
import { bodiesOf, type Field, MessageWriter, readFields, textOf } from './wire.js';

/** What a value depends on. */
export interface Ancestry {
  nodes: ReadonlySet<OnnxNode>;
  /** Every name that one of the nodes reads or writes, the value itself included. */
  names: ReadonlySet<string>;
  /** Graph inputs among them. */
  inputs: ValueInfo[];
}

export function ancestryOf(model: OnnxModel, value: string): Ancestry {
  const writers = new Map(model.nodes.flatMap((node) => node.writes.map((name) => [name, node] as const)));
  const nodes = new Set<OnnxNode>();
  const names = new Set([value]);
  const open = [value];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    const writer = writers.get(name);
    if (!writer || nodes.has(writer)) continue;
    nodes.add(writer);
    for (const written of writer.writes) names.add(written);
    for (const read of writer.reads) {
      if (names.has(read)) continue;
      names.add(read);
      open.push(read);
    }
  }
  return { nodes, names, inputs: model.inputs.filter((input) => names.has(input.name)) };
}

export interface CutOptions {
  output: string;
  /** Input that is fed as float32 and cast to what the model wants. */
  castInput?: { name: string; type: 'float16' | 'float64' } | undefined;
  /** Whether the output is cast to float32. */
  castOutput?: boolean | undefined;
}

export interface CutModel {
  /** The same object as the model's bytes where nothing had to change. */
  bytes: Uint8Array;
  input: string;
  output: string;
}

const FLOAT = 1;
const INTEGER_ATTRIBUTE = 2;
const SUFFIX = '_as_float32';

/** @param input the one graph input that the output depends on */
export function cutModel(model: OnnxModel, input: string, options: CutOptions): CutModel {
  const { nodes, names } = ancestryOf(model, options.output);
  const isOutput = model.outputs.some((output) => output.name === options.output);
  const whole =
    isOutput && nodes.size === model.nodes.length && model.inputs.every(({ name }) => names.has(name));
  if (whole && !options.castInput && !options.castOutput)
    return { bytes: model.bytes, input, output: options.output };

  const output = options.castOutput ? options.output + SUFFIX : options.output;
  const fedInput = options.castInput ? input + SUFFIX : input;
  const graph = new MessageWriter();
  if (options.castInput) {
    const to = options.castInput.type === 'float16' ? 10 : 11;
    graph.message(FIELD.graph.node, castNode(fedInput, input, to));
  }
  const keptNodes = new Set([...nodes].map((node) => node.raw));
  for (const field of model.graph) {
    if (keeps(field, { keptNodes, names, without: options.castInput ? input : null })) graph.raw(field.raw);
  }
  if (options.castInput) graph.message(FIELD.graph.input, asFloat(inputBody(model, input), fedInput));
  if (options.castOutput) graph.message(FIELD.graph.node, castNode(options.output, output, FLOAT));
  graph.message(
    FIELD.graph.output,
    options.castOutput
      ? new MessageWriter().text(FIELD.valueInfo.name, output).finish()
      : outputBody(model, output),
  );

  const rewritten = new MessageWriter();
  for (const field of model.fields)
    if (field.id !== FIELD.model.graph && field.id !== FIELD.model.training) rewritten.raw(field.raw);
  return {
    bytes: rewritten.message(FIELD.model.graph, graph.finish()).finish(),
    input: fedInput,
    output,
  };
}

interface Kept {
  keptNodes: ReadonlySet<Uint8Array>;
  names: ReadonlySet<string>;
  /** An input that is left out. */
  without: string | null;
}

function keeps(field: Field, { keptNodes, names, without }: Kept): boolean {
  switch (field.id) {
    case FIELD.graph.node:
      return keptNodes.has(field.raw);
    case FIELD.graph.initializer:
      return names.has(textOf(readFields(field.body), FIELD.tensor.name));
    case FIELD.graph.sparseInitializer:
      return bodiesOf(readFields(field.body), FIELD.sparse.values).some((values) =>
        names.has(textOf(readFields(values), FIELD.tensor.name)),
      );
    case FIELD.graph.input: {
      const name = textOf(readFields(field.body), FIELD.valueInfo.name);
      return names.has(name) && name !== without;
    }
    case FIELD.graph.valueInfo:
      return names.has(textOf(readFields(field.body), FIELD.valueInfo.name));
    case FIELD.graph.output:
      return false;
    default:
      return true;
  }
}

const named = (model: OnnxModel, id: number, name: string): Uint8Array | undefined =>
  bodiesOf(model.graph, id).find((body) => textOf(readFields(body), FIELD.valueInfo.name) === name);

const inputBody = (model: OnnxModel, name: string): Uint8Array =>
  named(model, FIELD.graph.input, name) ?? new Uint8Array();

/** What the model says about the value; only its name for an inner one, whose type ONNX Runtime then infers. */
const outputBody = (model: OnnxModel, name: string): Uint8Array =>
  named(model, FIELD.graph.output, name) ??
  named(model, FIELD.graph.valueInfo, name) ??
  new MessageWriter().text(FIELD.valueInfo.name, name).finish();

function castNode(from: string, into: string, to: number): Uint8Array {
  const attribute = new MessageWriter()
    .text(FIELD.attribute.name, 'to')
    .integer(FIELD.attribute.i, to)
    .integer(FIELD.attribute.type, INTEGER_ATTRIBUTE);
  return new MessageWriter()
    .text(FIELD.node.input, from)
    .text(FIELD.node.output, into)
    .text(FIELD.node.opType, 'Cast')
    .message(FIELD.node.attribute, attribute.finish())
    .finish();
}

/** A float32 value of another name with the shape of the one described. */
function asFloat(valueInfo: Uint8Array, name: string): Uint8Array {
  const type = bodiesOf(readFields(valueInfo), FIELD.valueInfo.type).map(readFields).at(-1) ?? [];
  const tensor = bodiesOf(type, FIELD.type.tensor).map(readFields).at(-1) ?? [];
  const asFloat32 = new MessageWriter().integer(FIELD.tensorType.elemType, FLOAT);
  for (const shape of bodiesOf(tensor, FIELD.tensorType.shape))
    asFloat32.message(FIELD.tensorType.shape, shape);
  const wrapped = new MessageWriter().message(FIELD.type.tensor, asFloat32.finish()).finish();
  return new MessageWriter().text(FIELD.valueInfo.name, name).message(FIELD.valueInfo.type, wrapped).finish();
}
