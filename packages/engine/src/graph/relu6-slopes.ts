/**
 * The slope of a ReLU6, which TF.js writes as a comparison, its cast, a step and their product, becomes one op, and is told from the
 * result where that is there already, so that what went into it need not be kept. Half of the maps of a MobileNet end in one.
 * Measured gain: case `relu6-slopes` of `npm run bench -- passes`.
 */
import type { Graph, GraphNode, Value } from './graph.js';

export function joinRelu6Slopes(graph: Graph): Graph {
  const producer = new Map<Value, GraphNode>();
  const results = new Map<Value, Value>();
  const nodes = graph.nodes.map((node) => {
    const from = slopeOf(node, producer, graph);
    const made: GraphNode = from
      ? { ...node, op: 'Relu6Slope', inputs: [results.get(from) ?? from], attributes: {} }
      : node;
    for (const output of made.outputs) producer.set(output, made);
    if (made.op === 'Relu6') results.set(made.inputs[0]!, made.outputs[0]!);
    return made;
  });
  return { ...graph, nodes };
}

/** The x of cast(x ≤ 6) · step(x), if the node makes that. */
function slopeOf(
  { op, inputs, outputs }: GraphNode,
  producer: ReadonlyMap<Value, GraphNode>,
  { constants }: Graph,
): Value | null {
  if (op !== 'Multiply' || outputs[0]!.dtype !== 'float32') return null;
  const made = inputs.map((input) => producer.get(input));
  const step = made.find((node) => node?.op === 'Step' && !node.attributes.alpha);
  const cast = made.find((node) => node?.op === 'Cast');
  const compared = cast && producer.get(cast.inputs[0]!);
  if (!step || compared?.op !== 'LessEqual' || compared.inputs[0] !== step.inputs[0]) return null;
  const limit = constants.get(compared.inputs[1]!);
  return limit?.length === 1 && limit[0] === 6 ? step.inputs[0]! : null;
}
