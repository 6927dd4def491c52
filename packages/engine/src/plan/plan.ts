/**
 * A plan: which kernels a step's heavy ops get. A small readable record that can be stored beside a run, so that it goes on, or
 * is repeated, with the same numbers on whichever machine.
 */
import { EngineError } from '../errors.js';
import { CANDIDATES, type Candidate } from '../graph/kernels.js';
import type { TileSize } from '../graph/winograd-matrices.js';

export { CANDIDATES, type Candidate };

/**
 * Candidate by shape (`key.ts`), such as "32×16×16 128→256". It holds for a convolution and both of its gradients; a gradient that
 * gets another one has an entry of its own, such as "1×1 32×16×16 128→256 dw".
 */
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

/** Null where it is no candidate of Winograd's. */
export function tileSizeOf(candidate: Candidate): TileSize | null {
  if (candidate === 'winograd2') return 2;
  return candidate === 'winograd4' ? 4 : null;
}
