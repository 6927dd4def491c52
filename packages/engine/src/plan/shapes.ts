/** The convolutions of a step that a plan decides about. */
import type { Graph, GraphNode } from '../graph/graph.js';
import { type ConvolutionShape, winogradShape } from '../graph/winograd.js';
import { planKey } from './plan.js';

/** The convolutions of a graph, one entry a shape, with one node for each of the three ops that there are. */
export function shapesOf(graph: Graph): { shape: ConvolutionShape; nodes: GraphNode[] }[] {
  const found = new Map<string, { shape: ConvolutionShape; nodes: GraphNode[] }>();
  for (const node of graph.nodes) {
    const shape = winogradShape(node);
    if (!shape) continue;
    const entry = found.get(planKey(shape)) ?? { shape, nodes: [] };
    found.set(planKey(shape), entry);
    if (!entry.nodes.some(({ op }) => op === node.op)) entry.nodes.push(node);
  }
  return [...found.values()];
}
