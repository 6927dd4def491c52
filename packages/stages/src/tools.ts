/** What every stage is given to work with. */
import type { ArtifactStore } from '@rela/storage';

export interface StageTools {
  store: ArtifactStore;
  signal: AbortSignal;
  progress(done: number, total: number, unit: string): void;
}

/** Seconds since `start`, a reading of performance.now(). */
export function secondsSince(start: number): number {
  return (performance.now() - start) / 1000;
}
