/**
 * Leaves out what no output needs: gradients of inputs that nobody asked for, and values that TF.js makes on the way.
 * Kept for more than time (case `dead-code` of `npm run bench -- passes`): an op that nobody needs must not refuse a step because it
 * has no translation, get a kernel timed, or be counted as work.
 */
import type { Graph, GraphNode, Value } from './graph.js';

export function removeDeadCode(graph: Graph): Graph {
  const needed = new Set<Value>(graph.outputs.values());
  const nodes: GraphNode[] = [];
  for (const node of [...graph.nodes].reverse()) {
    if (!node.outputs.some((output) => needed.has(output))) continue;
    for (const input of node.inputs) needed.add(input);
    nodes.push(node);
  }
  const constants = new Map([...graph.constants].filter(([value]) => needed.has(value)));
  return { ...graph, constants, nodes: nodes.reverse() };
}
