/** How long to wait before the next try, and a sleep that a signal ends. */

const SECOND = 1000;
const FIRST_DELAY = 0.2 * SECOND;
const LONGEST_DELAY = 5 * SECOND;

/** Milliseconds before try `failures` + 1: doubling from 200 ms to 5 s, with a random half so that clients spread. */
export function backoffDelay(failures: number): number {
  const full = Math.min(FIRST_DELAY * 2 ** (failures - 1), LONGEST_DELAY);
  return full / 2 + Math.random() * (full / 2);
}

/** Resolves after `milliseconds`; rejects with the signal's reason as soon as it is aborted. */
export function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    }, milliseconds);
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
