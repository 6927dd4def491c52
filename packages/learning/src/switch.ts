/** The adaptive rule that says when the ReLA loss has done its work (arXiv 2405.14669; method.md, section 2). */

/** Two moving averages of the loss, and how near they are. */
export interface SwitchState {
  slow: number;
  fast: number;
  /** ρ = exp(−max(slow − fast, 0)), from 0 to 1 */
  rho: number;
  switched: boolean;
}

export function initialSwitch(): SwitchState {
  return { slow: 2, fast: 1, rho: 0, switched: false };
}

/**
 * One optimizer step with batch loss ℓ, in the paper's order:
 *   ρ ← exp(−max(slow − fast, 0));  fast ← 0.999·fast + 0.001·ℓ;  slow ← 0.99·slow + 0.01·fast
 * From the first ρ ≥ `threshold` on it has switched, and never goes back.
 */
export function adaptiveSwitch(
  { slow, fast, switched }: SwitchState,
  loss: number,
  threshold: number,
): SwitchState {
  const rho = Math.exp(-Math.max(slow - fast, 0));
  const nextFast = 0.999 * fast + 0.001 * loss;
  const nextSlow = 0.99 * slow + 0.01 * nextFast;
  return { slow: nextSlow, fast: nextFast, rho, switched: switched || rho >= threshold };
}
