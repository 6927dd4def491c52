/** The passes over a recorded graph, in their order. */
import { shareCommonSubexpressions } from './common-subexpressions.js';
import { removeDeadCode } from './dead-code.js';
import type { Graph } from './graph.js';
import { joinRelu6Slopes } from './relu6-slopes.js';
import { simplify } from './simplify.js';

export function optimize(graph: Graph): Graph {
  return removeDeadCode(joinRelu6Slopes(shareCommonSubexpressions(simplify(removeDeadCode(graph)))));
}
