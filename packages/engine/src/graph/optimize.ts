/** The passes over a recorded graph, in their order. */
import { NONE, runPasses, type Without } from '../passes.js';
import { shareCommonSubexpressions } from './common-subexpressions.js';
import { removeDeadCode } from './dead-code.js';
import type { Graph } from './graph.js';
import { joinRelu6Slopes } from './relu6-slopes.js';
import { simplify } from './simplify.js';

const IN_ORDER = [
  ['common-subexpressions', shareCommonSubexpressions],
  ['relu6-slopes', joinRelu6Slopes],
  // Once more, for what the others have made superfluous.
  ['dead-code', removeDeadCode],
] as const;

export function optimize(graph: Graph, without: Without = NONE): Graph {
  const asked = without.has('dead-code') ? graph : removeDeadCode(graph);
  return runPasses(simplify(asked), IN_ORDER, without);
}
