/** The plan where nothing is timed: the same on every machine that has the direct kernels. */
import type { Graph } from '../graph/graph.js';
import { type ConvolutionOp, type HeavyOp, isPointwise } from '../graph/heavy-op.js';
import type { Candidate } from '../graph/kernels.js';
import { winogradShapeOf } from '../graph/winograd.js';
import type { Plan, Precision } from './plan.js';
import { entriesOf, shapesOf } from './shapes.js';

/** Below, the transforms cost more than the products save: no gain at 64, a fifth at 128. */
const FEWEST_CHANNELS = 128;
/** On larger maps tiles of 4 round too much (engine-study), and tiles of 2 gain nothing. */
const LARGEST_SIDE = 16;

function isTiled(op: ConvolutionOp): boolean {
  const shape = winogradShapeOf(op);
  if (!shape || Math.min(shape.channels, shape.filters) < FEWEST_CHANNELS) return false;
  return Math.max(shape.height, shape.width) <= LARGEST_SIDE;
}

/** @param hasBlocks whether this machine has the direct kernels */
export function fixedCandidate(op: HeavyOp, precision: Precision, hasBlocks: boolean): Candidate {
  if (op.kind === 'product') return 'fused';
  // One product over all positions, where others take one an image.
  if (op.kind === 'convolution' && op.role === 'dw' && isPointwise(op)) return 'rows';
  if (!hasBlocks) return 'plain';
  if (!isTiled(op)) return 'direct';
  return precision === 'strict' ? 'winograd2' : 'winograd4';
}

export function fixedPlan(graph: Graph, precision: Precision, hasBlocks = true): Plan {
  return Object.assign(
    {},
    ...shapesOf(graph).map((shape) => entriesOf(shape, ({ op }) => fixedCandidate(op, precision, hasBlocks))),
  );
}
