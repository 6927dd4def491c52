/** Puts on every heavy op the kernel that the plan has for it, and writes those of Winograd's out. */
import type { Graph, GraphNode } from '../graph/graph.js';
import { heavyOpOf } from '../graph/heavy-op.js';
import { kernelOf } from '../graph/kernels.js';
import { applyWinograd, type WinogradOptions } from '../graph/winograd.js';
import { kernelFor, type Machine } from './candidates.js';
import { keyOf, ownKeyOf } from './key.js';
import { type Plan, tileSizeOf } from './plan.js';

/** @param plan of this graph: it has an entry for every shape that there is something to choose for */
export function applyPlan(graph: Graph, plan: Plan, machine: Machine, winograd: WinogradOptions = {}): Graph {
  const planned = (node: GraphNode): GraphNode => {
    const op = heavyOpOf(node);
    if (!op) return node;
    const wanted = plan[ownKeyOf(op)] ?? plan[keyOf(op)];
    if (wanted === undefined) return node;
    return { ...node, attributes: { ...node.attributes, kernel: kernelFor(op, wanted, machine) } };
  };
  return applyWinograd(
    { ...graph, nodes: graph.nodes.map(planned) },
    (_, node) => tileSizeOf(kernelOf(node)),
    winograd,
  );
}
