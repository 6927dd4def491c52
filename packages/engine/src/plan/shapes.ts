/** The heavy ops of a step that a plan decides about. */
import type { Graph, GraphNode } from '../graph/graph.js';
import { type HeavyOp, heavyOpOf } from '../graph/heavy-op.js';
import type { Candidate } from '../graph/kernels.js';
import { keyOf, ownKeyOf } from './key.js';
import type { Plan } from './plan.js';

export interface PlannedOp {
  op: HeavyOp;
  node: GraphNode;
}

export interface PlannedShape {
  key: string;
  /** A node for each of the ops that there are of this shape: a convolution and its gradients, or a product. */
  ops: PlannedOp[];
}

/** A product that turns neither side has one form. */
const isChosen = (op: HeavyOp) => op.kind !== 'product' || op.transposeA || op.transposeB;

/** The shapes of a graph, each once, in the order of the graph. */
export function shapesOf(graph: Graph): PlannedShape[] {
  const found = new Map<string, PlannedShape>();
  for (const node of graph.nodes) {
    const op = heavyOpOf(node);
    if (!op || !isChosen(op)) continue;
    const key = keyOf(op);
    const entry = found.get(key) ?? { key, ops: [] };
    found.set(key, entry);
    if (!entry.ops.some((other) => other.node.op === node.op)) entry.ops.push({ op, node });
  }
  return [...found.values()];
}

/** What a plan says of one shape. */
export function entriesOf({ key, ops }: PlannedShape, choose: (planned: PlannedOp) => Candidate): Plan {
  const first = ops.find(({ op }) => ownKeyOf(op) === key) ?? ops[0]!;
  const common = choose(first);
  const own = ops.map((planned): [string, Candidate] => [ownKeyOf(planned.op), choose(planned)]);
  return { [key]: common, ...Object.fromEntries(own.filter(([, candidate]) => candidate !== common)) };
}

/** What `plan` says of a shape; null where it does not know it. */
export function knownEntries({ key }: PlannedShape, plan: Plan): Plan | null {
  if (!(key in plan)) return null;
  const keys = [key, `${key} dx`, `${key} dw`].filter((one) => one in plan);
  return Object.fromEntries(keys.map((one) => [one, plan[one]!]));
}
