/** Features by row, wherever they lie: in memory, or on a disk that holds more of them than memory does. */

export interface FeatureSource {
  /** d */
  readonly width: number;
  /** int32 [n], −1: not labelled */
  readonly labels: Int32Array;
  /** Copies the features of `rows`, one after the other, to the front of `into` [≥ rows, d]. */
  read(rows: Uint32Array, into: Float32Array): void | Promise<void>;
}

/** Features in memory, row after row. */
export interface FeatureTable {
  /** [n, width] */
  features: Float32Array;
  /** [n], −1: not labelled */
  labels: Int32Array;
  width: number;
}

export function inMemory({ features, labels, width }: FeatureTable): FeatureSource {
  return {
    width,
    labels,
    read(rows, into) {
      for (const [place, row] of rows.entries())
        into.set(features.subarray(row * width, (row + 1) * width), place * width);
    },
  };
}
