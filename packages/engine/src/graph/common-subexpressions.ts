/**
 * Computes once what the graph asks for several times: gradients recompute masks, means and casts of the forward pass.
 * Measured gain: case `common-subexpressions` of `npm run bench -- passes`.
 */
import type { Graph, GraphNode, Value } from './graph.js';

export function shareCommonSubexpressions(graph: Graph): Graph {
  const replacement = new Map<Value, Value>();
  const seen = new Map<string, GraphNode>();
  const nodes: GraphNode[] = [];
  const resolve = (value: Value): Value => replacement.get(value) ?? value;

  const constantByContent = new Map<string, Value>();
  for (const [value, data] of graph.constants) {
    if (data.length > 64) continue;
    const key = `${value.dtype} ${value.shape} ${data}`;
    const first = constantByContent.get(key);
    if (first) replacement.set(value, first);
    else constantByContent.set(key, value);
  }
  for (const node of graph.nodes) {
    const inputs = node.inputs.map(resolve);
    const key = JSON.stringify(
      [node.op, inputs.map(({ id }) => id), node.attributes, node.outputs.map((o) => o.shape)],
      // JSON writes infinities and NaN alike, as null.
      (_, item: unknown) => (typeof item === 'number' && !Number.isFinite(item) ? String(item) : item),
    );
    const first = seen.get(key);
    if (first) {
      for (const [index, output] of node.outputs.entries()) replacement.set(output, first.outputs[index]!);
      continue;
    }
    const kept = { ...node, inputs };
    seen.set(key, kept);
    nodes.push(kept);
  }
  const outputs = new Map([...graph.outputs].map(([name, value]) => [name, resolve(value)]));
  return { ...graph, nodes, outputs };
}
