/** When a delivery that failed is tried again. */

const MINUTE = 60;
const HOUR = 60 * MINUTE;

/** Seconds after each attempt that failed, as Standard Webhooks advises: ten attempts within about 76 hours. Then it is given up. */
export const RETRY_SECONDS = [
  ...[5, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR],
] as const;

/** Either way, so that those who failed together do not come back together. */
const JITTER = 0.2;

/** A receiver that asks for more patience than this is asked again then. */
const LONGEST_WISH = 24 * HOUR;

export interface Failure {
  /** Attempts that have failed, this one too. */
  failures: number;
  /** Seconds that the receiver asked for. */
  wishedSeconds: number | null;
}

/** @returns seconds to the next try; null where it is given up */
export function retryAfter(
  { failures, wishedSeconds }: Failure,
  { schedule = RETRY_SECONDS as readonly number[], random = Math.random } = {},
): number | null {
  const seconds = schedule[failures - 1];
  if (seconds === undefined) return null;
  const spread = seconds * (1 + JITTER * (2 * random() - 1));
  return Math.max(spread, Math.min(wishedSeconds ?? 0, LONGEST_WISH));
}
