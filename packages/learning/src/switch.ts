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

/** Steps of the paper's run on CIFAR-10: 100 epochs of half of 50,000 images in batches of 128. */
const PAPERS_STEPS = 19_500;

/** How many of the paper's steps a step of a run stands for, so that the rule sees as much of a short run as of the paper's. */
export function paceOf(totalSteps: number): number {
  return Math.max(1, PAPERS_STEPS / totalSteps);
}

/**
 * One optimizer step with batch loss ℓ, in the paper's order:
 *   ρ ← exp(−max(slow − fast, 0));  fast ← 0.999·fast + 0.001·ℓ;  slow ← 0.99·slow + 0.01·fast
 * From the first ρ ≥ `threshold` on it has switched, and never goes back.
 * @param pace how many steps of equal loss it stands for: what is kept of an average is taken to this power
 */
export function adaptiveSwitch(
  { slow, fast, switched }: SwitchState,
  loss: number,
  threshold: number,
  pace = 1,
): SwitchState {
  const rho = Math.exp(-Math.max(slow - fast, 0));
  const [keptOfFast, keptOfSlow] = [0.999 ** pace, 0.99 ** pace];
  const nextFast = keptOfFast * fast + (1 - keptOfFast) * loss;
  const nextSlow = keptOfSlow * slow + (1 - keptOfSlow) * nextFast;
  return { slow: nextSlow, fast: nextFast, rho, switched: switched || rho >= threshold };
}
