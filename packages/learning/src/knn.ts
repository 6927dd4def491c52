/**
 * Classification by the nearest neighbours in feature space: Wu et al., "Unsupervised Feature Learning via Non-Parametric
 * Instance Discrimination" (CVPR 2018), section 3.4; method.md, section 3.
 */
import { type Engine, type StepFunction, tf } from '@rela/engine';
import type { Tensor2D } from '@tensorflow/tfjs-core';
import type { FeatureSource } from './feature-source.js';
import { take } from './names.js';

export interface KnnOptions {
  engine: Engine;
  train: FeatureSource;
  test: FeatureSource;
  classes: number;
  /** Neighbours with a vote, 20. */
  k: number;
  /** τ, 0.07 */
  temperature: number;
  /** Ends it between two blocks. */
  signal?: AbortSignal;
}

const QUERIES_A_BLOCK = 512;
const KEYS_A_BLOCK = 4096;

/** cos of normalised queries [Q, d] and keys [K, d] → [Q, K] */
const compare: StepFunction = (state, batch) => ({
  state: {},
  metrics: {
    cosines: tf.matMul(take<Tensor2D>(state, 'queries'), take<Tensor2D>(batch, 'keys'), false, true),
  },
});

/**
 * The class of every test row: its k nearest training rows by cosine vote, each with exp(cos / τ).
 * Exact. Equal cosines: the earlier row is nearer; equal votes: the lower class wins. Time O(n_test · n_train · width), done
 * as matrix products by the engine; memory: a block of 4096 features of each side, 512 · 4096 cosines, k neighbours a query of
 * a block, and 8 bytes a training row. All of `train` is read once for every 512 rows of `test`.
 */
export async function knnPredict(options: KnnOptions): Promise<Int32Array> {
  const { engine, train, test, classes, k, temperature } = options;
  const { width } = train;
  const keys = Uint32Array.from([...train.labels.keys()].filter((row) => train.labels[row]! >= 0));
  const queries = test.labels.length;
  const queryBlock = Math.max(1, Math.min(QUERIES_A_BLOCK, queries));
  const keyBlock = Math.max(1, Math.min(KEYS_A_BLOCK, keys.length));
  const predicted = new Int32Array(queries);

  const queryRows = new Float32Array(queryBlock * width);
  const keyRows = new Float32Array(keyBlock * width);
  const state = () => ({
    queries: { dtype: 'float32' as const, shape: [queryBlock, width], data: queryRows },
  });
  const step = await engine.compile(compare, state(), {
    keys: { dtype: 'float32', shape: [keyBlock, width] },
  });
  try {
    for (let first = 0; first < queries; first += queryBlock) {
      const count = Math.min(queryBlock, queries - first);
      await test.read(rangeOf(first, count), queryRows);
      normalizeRows(queryRows, width, count);
      step.load(state());
      const nearest = Array.from({ length: count }, () => new Neighbours(Math.min(k, keys.length)));
      for (let at = 0; at < keys.length; at += keyBlock) {
        options.signal?.throwIfAborted();
        const held = Math.min(keyBlock, keys.length - at);
        await train.read(keys.subarray(at, at + held), keyRows);
        normalizeRows(keyRows, width, held);
        const { cosines } = await step.run({
          keys: { dtype: 'float32', shape: [keyBlock, width], data: keyRows },
        });
        const rows = cosines!.data as Float32Array;
        for (let query = 0; query < count; query++)
          nearest[query]!.offer(rows.subarray(query * keyBlock, query * keyBlock + held), at);
      }
      for (let query = 0; query < count; query++)
        predicted[first + query] = nearest[query]!.vote(
          (index) => train.labels[keys[index]!]!,
          classes,
          temperature,
        );
    }
  } finally {
    await step.dispose();
  }
  return predicted;
}

/** first, first + 1, … */
export const rangeOf = (first: number, count: number): Uint32Array =>
  Uint32Array.from({ length: count }, (_, index) => first + index);

/** The first `count` rows at length 1, in place; rows of zeros stay. */
function normalizeRows(rows: Float32Array, width: number, count: number): void {
  for (let start = 0; start < count * width; start += width) {
    let squares = 0;
    for (let at = start; at < start + width; at++) squares += rows[at]! * rows[at]!;
    const scale = squares > 0 ? 1 / Math.sqrt(squares) : 0;
    for (let at = start; at < start + width; at++) rows[at] = scale * rows[at]!;
  }
}

/** The k largest cosines so far, falling. */
class Neighbours {
  readonly #cosines: Float64Array;
  readonly #indices: Uint32Array;

  constructor(k: number) {
    this.#cosines = new Float64Array(k).fill(Number.NEGATIVE_INFINITY);
    this.#indices = new Uint32Array(k);
  }

  /** @param cosines of the keys from index `first` on */
  offer(cosines: Float32Array, first: number): void {
    const last = this.#cosines.length - 1;
    for (let index = 0; index < cosines.length; index++) {
      const cosine = cosines[index]!;
      if (!(cosine > this.#cosines[last]!)) continue;
      let place = last;
      for (; place > 0 && cosine > this.#cosines[place - 1]!; place--) {
        this.#cosines[place] = this.#cosines[place - 1]!;
        this.#indices[place] = this.#indices[place - 1]!;
      }
      this.#cosines[place] = cosine;
      this.#indices[place] = first + index;
    }
  }

  vote(labelOf: (index: number) => number, classes: number, temperature: number): number {
    const votes = new Float64Array(classes);
    for (const [place, cosine] of this.#cosines.entries()) {
      const label = labelOf(this.#indices[place]!);
      votes[label] = votes[label]! + Math.exp(cosine / temperature);
    }
    return votes.indexOf(Math.max(...votes));
  }
}
