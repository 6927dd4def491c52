/**
 * Removes what only TF.js's way of writing gradients needs: identities, casts to the same type, reshapes to the same
 * shape, products with ones, sums with zeros, and copies that broadcasting makes anyway. It is the one pass that cannot be left out,
 * and so has no measured gain: identities and tensors of one number have no translation to ONNX, because here they go.
 */
import { allocate, isSameShape } from '../tensors.js';
import { tf } from '../tf.js';
import type { Graph, GraphNode, Value } from './graph.js';
import { UniformValues } from './uniform.js';

/** Ops of two inputs that broadcast them against each other. */
const BROADCASTING = new Set([
  'Add',
  'Sub',
  'Multiply',
  'RealDiv',
  'Maximum',
  'Minimum',
  'Pow',
  'SquaredDifference',
  'Equal',
  'NotEqual',
  'Greater',
  'GreaterEqual',
  'Less',
  'LessEqual',
  'LogicalAnd',
  'LogicalOr',
]);

function isNothing(node: GraphNode, inputs: readonly Value[]): boolean {
  const [output] = node.outputs;
  const [input] = inputs;
  if (!output || !input) return false;
  switch (node.op) {
    case 'Identity':
      return true;
    case 'Cast':
      return input.dtype === output.dtype;
    case 'Reshape':
    case 'ExpandDims':
    case 'Tile':
    case 'Slice':
    case 'Broadcast':
      return isSameShape(input.shape, output.shape);
    case 'Transpose':
      return (node.attributes.perm as number[]).every((axis, index) => axis === index);
    case 'AddN':
    case 'Concat':
      return inputs.length === 1;
    default:
      return false;
  }
}

/** The input that the result equals but for broadcasting: x·1, x+0, x−0, x/1. */
function unchangedInput(
  node: GraphNode,
  inputs: readonly Value[],
  uniform: UniformValues,
): Value | undefined {
  const [a, b] = inputs;
  if (!a || !b) return undefined;
  const neutral = { Multiply: 1, RealDiv: 1, Add: 0, Sub: 0 }[node.op];
  if (neutral === undefined) return undefined;
  if (uniform.of(b) === neutral) return a;
  return (node.op === 'Multiply' || node.op === 'Add') && uniform.of(a) === neutral ? b : undefined;
}

export function simplify(graph: Graph): Graph {
  const uniform = new UniformValues(graph);
  const constants = new Map(graph.constants);
  const nodes: GraphNode[] = [];
  const replacement = new Map<Value, Value>();
  /** Value before it was broadcast to the shape of the key. */
  const source = new Map<Value, Value>();
  let id = -1;
  const resolve = (value: Value): Value => replacement.get(value) ?? value;

  const broadcastTo = (from: Value, output: Value, line: string) => {
    nodes.push({
      op: 'Broadcast',
      inputs: [from],
      attributes: { shape: output.shape },
      outputs: [output],
      line,
    });
    source.set(output, from);
  };
  const scalar = (number: number, output: Value, line: string) => {
    uniform.set(output, number);
    const value: Value = { id: id--, shape: [], dtype: output.dtype };
    const data = allocate(output.dtype, 1);
    data[0] = number;
    constants.set(value, data);
    uniform.set(value, number);
    if (output.shape.length === 0) replacement.set(output, value);
    else broadcastTo(value, output, line);
  };

  for (const [value, data] of graph.constants) {
    const number = uniform.of(value);
    if (number === undefined || data.length < 2) continue;
    constants.delete(value);
    scalar(number, value, 'a constant');
  }
  for (const node of graph.nodes) {
    const inputs = node.inputs.map(resolve);
    const output = node.outputs[0]!;
    const number = node.outputs.length === 1 ? uniform.infer(node, inputs) : undefined;
    if (number !== undefined) {
      scalar(number, output, node.line);
      continue;
    }
    if (isNothing(node, inputs)) {
      replacement.set(output, inputs[0]!);
      continue;
    }
    const unchanged = unchangedInput(node, inputs, uniform);
    if (unchanged) {
      const from = source.get(unchanged) ?? unchanged;
      if (isSameShape(from.shape, output.shape)) replacement.set(output, from);
      else if (isSameShape(unchanged.shape, output.shape)) replacement.set(output, unchanged);
      else broadcastTo(from, output, node.line);
      continue;
    }
    if (
      node.op === 'Tile' &&
      inputs[0]!.shape.every((side, axis) => side === 1 || side === output.shape[axis])
    ) {
      broadcastTo(source.get(inputs[0]!) ?? inputs[0]!, output, node.line);
      continue;
    }
    nodes.push({ ...node, inputs: BROADCASTING.has(node.op) ? narrow(inputs, output, source) : inputs });
  }
  const outputs = new Map([...graph.outputs].map(([name, value]) => [name, resolve(value)]));
  return { inputs: graph.inputs, outputs, constants, nodes };
}

/** Takes operands before their broadcast where the other operand gives the shape of the result anyway. */
function narrow(inputs: readonly Value[], output: Value, source: ReadonlyMap<Value, Value>): Value[] {
  const narrowed = [...inputs];
  for (const [index, input] of inputs.entries()) {
    const from = source.get(input);
    if (!from) continue;
    const other = narrowed[1 - index]!;
    const shape = tf.broadcast_util.assertAndGetBroadcastShape([...from.shape], [...other.shape]);
    if (isSameShape(shape, output.shape)) narrowed[index] = from;
  }
  return narrowed;
}
