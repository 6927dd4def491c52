/** Long computations give their thread away now and then: heartbeats are sent meanwhile, and a cancellation is heard. */
import { setImmediate } from 'node:timers/promises';

/** Called often: does nothing until it is time, then resolves when others had their turn. Rejects with the signal's reason. */
export type Breath = () => Promise<void> | undefined;

const EVERY_MS = 50;

export function breathing(signal?: AbortSignal): Breath {
  let last = performance.now();
  return () => {
    if (performance.now() - last < EVERY_MS) return undefined;
    return setImmediate().then(() => {
      signal?.throwIfAborted();
      last = performance.now();
    });
  };
}
