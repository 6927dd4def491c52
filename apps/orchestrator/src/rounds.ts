/** A loop that nothing but its signal ends: rounds of work, pauses between them, longer pauses after failures. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Outages } from './outages.js';

export interface Rounds {
  name: string;
  /** One round. It may fail anywhere, and the next starts from the beginning. */
  work: () => Promise<void>;
  /** Waits for the next round after one that went well; may reject once the signal is aborted. */
  pause: (signal: AbortSignal) => Promise<void>;
}

const FIRST_BACKOFF_MS = 200;
const LONGEST_BACKOFF_MS = 5000;

/** Resolves when `signal` is aborted or the time is over. */
export async function rest(milliseconds: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(milliseconds, undefined, { signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** Runs rounds until `signal` is aborted. An unexpected failure is logged once in a row; outages are logged by `ask`. */
export async function keepGoing(
  { name, work, pause }: Rounds,
  { outages, log, signal }: { outages: Outages; log: Pick<Logger, 'error'>; signal: AbortSignal },
): Promise<void> {
  let backoff = FIRST_BACKOFF_MS;
  let lastFailure = '';
  while (!signal.aborted) {
    try {
      await work();
      backoff = FIRST_BACKOFF_MS;
      lastFailure = '';
      await pause(signal);
    } catch (error) {
      if (signal.aborted) return;
      const failure = error instanceof Error ? error.message : String(error);
      if (!outages.explains(error) && failure !== lastFailure)
        log.error({ err: error }, `${name} failed; trying again`);
      lastFailure = failure;
      await rest(backoff, signal);
      backoff = Math.min(2 * backoff, LONGEST_BACKOFF_MS);
    }
  }
}
