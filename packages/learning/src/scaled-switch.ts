/** A rule of our own for runs of any length: the ReLA loss has done its work when a tenth of the run hardly lowers it any more. */

/** Share of a run over which each of the two averages remembers. */
const MEMORY = 0.1;

/** Two moving averages of the loss, the slow one of the fast one, and how near they are by what the loss has fallen so far. */
export interface ScaledSwitchState {
  /** Loss of the run's first step; null before it. */
  first: number | null;
  slow: number;
  fast: number;
  /** ρ = 1 − max(slow − fast, 0) / (first − fast), up to 1; 0 before the loss has fallen. */
  rho: number;
}

export function initialScaledSwitch(): ScaledSwitchState {
  return { first: null, slow: 0, fast: 0, rho: 0 };
}

/**
 * One optimizer step with batch loss ℓ of a run of so many steps. Slow lags behind fast by a tenth of the run, so 1 − ρ is the share of the
 * loss's fall that the last tenth brought. The paper's rule compares the averages as they are, over 100 and 1,000 steps: a loss that falls
 * little or a run that ends early never meets its threshold, or meets it before the loss has fallen at all.
 */
export function scaledSwitch(
  { first: known, ...averages }: ScaledSwitchState,
  loss: number,
  totalSteps: number,
): ScaledSwitchState {
  const first = known ?? loss;
  const kept = Math.exp(-1 / (MEMORY * totalSteps));
  const fast = known === null ? loss : kept * averages.fast + (1 - kept) * loss;
  const slow = known === null ? loss : kept * averages.slow + (1 - kept) * fast;
  const rho = fast < first ? 1 - Math.max(slow - fast, 0) / (first - fast) : 0;
  return { first, slow, fast, rho };
}
