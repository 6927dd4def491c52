/** What the loader and its worker threads tell each other. */
import type { DatasetManifest, ProblemCode, ViewRecipe } from '@rela/contracts';

/** The efficient data set: float32 [count, k], little endian, one file a shard, in the order of the images. */
export interface TargetShards {
  k: number;
  shards: { digest: string; count: number }[];
}

/** A place for one batch, shared by all threads and used again and again. */
export interface SlotBuffers {
  /** One view of all rows after the other; large enough for the views of the batch. */
  views: SharedArrayBuffer;
  targets: SharedArrayBuffer;
  labels: SharedArrayBuffer;
}

/** What a thread is started with. */
export interface WorkerSetup {
  manifest: DatasetManifest;
  split: 'train' | 'test';
  targets: TargetShards | null;
  seed: number;
  /** int32 [1]: raised when the views change; parts of an older generation are not worth finishing. */
  generation: SharedArrayBuffer;
}

/** Rows `from` to `to` of a batch. */
export interface Part {
  batch: number;
  generation: number;
  slot: SlotBuffers;
  epoch: number;
  views: readonly ViewRecipe[];
  /** Rows of the whole batch. */
  rows: number;
  /** Image numbers of these rows. */
  indices: Uint32Array;
  from: number;
}

export type ToWorker =
  | { type: 'make'; part: Part }
  | { type: 'resolved'; digest: string; path: string }
  | { type: 'unresolved'; digest: string; failure: Failure };

export type FromWorker =
  | { type: 'made'; batch: number; generation: number }
  | { type: 'failed'; batch: number; generation: number; failure: Failure }
  | { type: 'resolve'; digest: string };

/** An error on its way between threads. */
export interface Failure {
  /** null where it was no problem meant for the user. */
  code: ProblemCode | null;
  message: string;
}
