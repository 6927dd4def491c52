/** The passes over a recorded graph, in their order. */
import { shareCommonSubexpressions } from './common-subexpressions.js';
import { removeDeadCode } from './dead-code.js';
import type { Graph } from './graph.js';
import { simplify } from './simplify.js';

export function optimize(graph: Graph): Graph {
  return removeDeadCode(shareCommonSubexpressions(simplify(removeDeadCode(graph))));
}
