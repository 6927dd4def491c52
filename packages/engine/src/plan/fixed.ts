/** The plan where nothing is timed: the same on every machine. */
import type { Graph } from '../graph/graph.js';
import type { ConvolutionShape } from '../graph/winograd.js';
import { type Candidate, type Plan, type Precision, planKey } from './plan.js';
import { shapesOf } from './shapes.js';

/** Below, the transforms cost more than the products save: no gain at 64, a fifth at 128. */
const FEWEST_CHANNELS = 128;
/** On larger maps tiles of 4 round too much (engine-study), and tiles of 2 gain nothing. */
const LARGEST_SIDE = 16;

function fixedCandidate(
  { height, width, channels, filters }: ConvolutionShape,
  precision: Precision,
): Candidate {
  if (Math.min(channels, filters) < FEWEST_CHANNELS) return 'direct';
  if (Math.max(height, width) > LARGEST_SIDE) return 'direct';
  return precision === 'strict' ? 'winograd2' : 'winograd4';
}

export function fixedPlan(graph: Graph, precision: Precision): Plan {
  return Object.fromEntries(
    shapesOf(graph).map(({ shape }) => [planKey(shape), fixedCandidate(shape, precision)]),
  );
}
