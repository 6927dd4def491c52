/**
 * The passes between recording and ONNX, by name. Each can be left out, and the step makes the same numbers but for rounding: so every
 * one is tested alone (`running/passes.test.ts`), and measured as a case of `npm run bench -- passes`. No option of the package.
 * `graph/simplify.ts` is not among them: what it removes has no translation to ONNX.
 */
import type { Graph } from './graph/graph.js';

export const PASSES = [
  'dead-code',
  'common-subexpressions',
  'relu6-slopes',
  'fuse-channels',
  'fuse-scaled-sums',
  'winograd',
  'transforms-again',
  'state-forms',
  'movement',
  'tidy',
  'in-place',
] as const;
export type Pass = (typeof PASSES)[number];

/** Passes that are left out. */
export type Without = ReadonlySet<Pass>;

export const NONE: Without = new Set();

/** Runs passes over a graph in their order. */
export function runPasses(
  graph: Graph,
  passes: readonly (readonly [Pass, (graph: Graph) => Graph])[],
  without: Without,
): Graph {
  return passes.filter(([name]) => !without.has(name)).reduce((before, [, pass]) => pass(before), graph);
}
