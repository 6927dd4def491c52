/** Waiting for a database that is away: the one retry loop of this package. */
import { setTimeout as sleep } from 'node:timers/promises';
import { isUnavailable } from './errors.js';

const FIRST_PAUSE_MILLISECONDS = 100;
const LONGEST_PAUSE_MILLISECONDS = 2_000;

/**
 * Calls `work` until the database answers. `work` has to be idempotent: a call whose connection broke may have taken
 * effect. @throws what `work` throws for other reasons, or the signal's reason
 */
export async function whenAvailable<T>(
  work: () => Promise<T>,
  options: { signal?: AbortSignal } = {},
): Promise<T> {
  for (let pause = FIRST_PAUSE_MILLISECONDS; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MILLISECONDS)) {
    options.signal?.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      if (!isUnavailable(error)) throw error;
    }
    try {
      await sleep(pause, undefined, { signal: options.signal });
    } catch (error) {
      options.signal?.throwIfAborted();
      throw error;
    }
  }
}
