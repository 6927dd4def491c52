/** Waiting for a server that is not up yet: the parts of a deployment start in any order. */
import { setTimeout as sleep } from 'node:timers/promises';
import { ProblemError } from '@rela/contracts';
import { DatabaseUnavailable } from '@rela/database';

const PAUSE_MS = 1000;

const isAway = (error: unknown) =>
  error instanceof DatabaseUnavailable || (error instanceof ProblemError && error.code === 'unavailable');

/**
 * Calls `open` until its server answers.
 * @throws what `open` throws for other reasons, or the signal's reason
 */
export async function untilThere<T>(open: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (;;) {
    signal.throwIfAborted();
    try {
      return await open();
    } catch (error) {
      if (!isAway(error)) throw error;
    }
    await sleep(PAUSE_MS, undefined, { signal });
  }
}
