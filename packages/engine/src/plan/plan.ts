/**
 * A plan: which kernels a step's heavy ops get. A small readable record that can be stored beside a run, so that it goes on, or
 * is repeated, with the same numbers on whichever machine.
 */
import { EngineError } from '../errors.js';
import type { ConvolutionShape } from '../graph/winograd.js';
import type { TileSize } from '../graph/winograd-matrices.js';

/** How a convolution and its gradients are computed, most accurate first. */
export const CANDIDATES = ['direct', 'winograd2', 'winograd4'] as const;
export type Candidate = (typeof CANDIDATES)[number];

/** Candidate by shape, such as "32×16×16 128→256": images, height, width, channels and filters. */
export type Plan = Readonly<Record<string, Candidate>>;

/**
 * - fast: all candidates
 * - strict: without the least accurate one, whose gradients are up to twice as far from float64 as a plain float32 step's
 */
export type Precision = 'fast' | 'strict';

/**
 * A plan that was stored somewhere.
 * @throws EngineError `unknown-plan` naming what is no kernel of this version
 */
export function parsePlan(stored: Readonly<Record<string, string>>): Plan {
  const known = new Set<string>(CANDIDATES);
  const strange = Object.entries(stored).find(([, candidate]) => !known.has(candidate));
  if (strange)
    throw new EngineError(
      'unknown-plan',
      `The plan has "${strange[1]}" for ${strange[0]}, which is no kernel of this version. Known: ${CANDIDATES.join(', ')}. Run it with the version that made the plan, or begin anew without one.`,
    );
  return stored as Plan;
}

export const planKey = ({ images, height, width, channels, filters }: ConvolutionShape): string =>
  `${images}×${height}×${width} ${channels}→${filters}`;

export function tileSizeOf(candidate: Candidate): TileSize | null {
  switch (candidate) {
    case 'direct':
      return null;
    case 'winograd2':
      return 2;
    case 'winograd4':
      return 4;
    default:
      return candidate satisfies never;
  }
}

export const candidatesOf = (precision: Precision): readonly Candidate[] =>
  precision === 'strict' ? CANDIDATES.filter((candidate) => candidate !== 'winograd4') : CANDIDATES;
