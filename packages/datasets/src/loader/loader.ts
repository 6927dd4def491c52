/**
 * The loader: batches of views, made by worker threads ahead of the step that trains on them. Which image is in which row, and what
 * its views show, depends on the batches asked for and the seed; not on the threads, their number or their speed.
 */
import { Worker } from 'node:worker_threads';
import type { DatasetManifest, SplitName, ViewRecipe } from '@rela/contracts';
import type { ResolveArtifact } from '../shards/split.js';
import { viewFloats } from '../views/viewer.js';
import { fromFailure, toFailure } from './failure.js';
import type { FromWorker, SlotBuffers, TargetShards, ToWorker, WorkerSetup } from './messages.js';

export interface LoaderOptions {
  manifest: DatasetManifest;
  /** Default: train. */
  split?: SplitName;
  /** Local paths of shards and targets. */
  resolve: ResolveArtifact;
  /** The images of each step, in order; taken one by one, a few steps ahead. */
  batches: Iterable<{ epoch: number; indices: Uint32Array }>;
  /** Most images a batch. */
  batchSize: number;
  /** How each view of an image is made. */
  views: readonly ViewRecipe[];
  seed: number;
  /** Absent or null: batches have no targets. */
  targets?: TargetShards | null;
  /** Worker threads. Default: 1. */
  threads?: number;
  /** Batches that are made ahead of the one in use; as many are held in memory. Default: 2. */
  ahead?: number;
}

/** Its arrays are plain memory, and used again after `release`. B is the number of indices; C the data set's channels. */
export interface Batch {
  epoch: number;
  indices: Uint32Array;
  /** One float32 [B, size, size, C] a recipe, normalised by the data set's mean and std. */
  views: Float32Array[];
  /** float32 [B, k] */
  targets: Float32Array | null;
  /** int32 [B], −1 without a label. */
  labels: Int32Array;
  /** How long `next` waited for it. */
  waitedSeconds: number;
}

export interface Loader {
  /**
   * The next batch, or null after the last one and after `close`. One call at a time.
   * @throws ProblemError `invalid-data` naming the image where one does not decode
   */
  next(): Promise<Batch | null>;
  /** Gives the batch's arrays back. */
  release(batch: Batch): void;
  /** Other views from the next batch on; those made ahead of it are made again, of the same images. */
  setViews(views: readonly ViewRecipe[]): void;
  close(): Promise<void>;
}

/** Beside this file when built; from the sources (tests), in the package's build. Threads cannot load TypeScript on Node 20. */
const WORKER = new URL('../../dist/loader/worker.js', import.meta.url);

export function createLoader(options: LoaderOptions): Loader {
  return new ThreadedLoader(options);
}

/**
 * A batch is `making` until every thread has made its part, then `ready`, or `failed`; `next` takes it from the queue. A change of
 * views takes those in the queue back to `making`, under a new generation.
 */
interface Pending {
  number: number;
  epoch: number;
  indices: Uint32Array;
  slot: number;
  views: readonly ViewRecipe[];
  partsLeft: number;
  failure: Error | null;
}

class ThreadedLoader implements Loader {
  readonly #batches: Iterator<{ epoch: number; indices: Uint32Array }>;
  #slots: SlotBuffers[];
  readonly #freeSlots: number[];
  readonly #generation = new Int32Array(new SharedArrayBuffer(4));
  readonly #workers: Worker[];
  /** Made or being made, in order; not yet given out. */
  readonly #queue: Pending[] = [];
  readonly #lent = new Map<Batch, BatchArrays>();
  /** Arrays of released batches. */
  readonly #spare: BatchArrays[] = [];
  #views: readonly ViewRecipe[];
  #taken = 0;
  /** No more batches will be asked for: there are none, or naming them failed. */
  #ended: { error: unknown } | null = null;
  #broken: Error | null = null;
  #closed = false;
  #wake: (() => void) | null = null;

  constructor(private readonly options: LoaderOptions) {
    const { manifest, targets = null, threads = 1, ahead = 2 } = options;
    this.#views = options.views;
    this.#batches = options.batches[Symbol.iterator]();
    this.#slots = Array.from({ length: ahead }, () => this.#newSlot());
    this.#freeSlots = [...this.#slots.keys()];
    const setup: WorkerSetup = {
      manifest,
      split: options.split ?? 'train',
      targets,
      seed: options.seed,
      generation: this.#generation.buffer as SharedArrayBuffer,
    };
    this.#workers = Array.from({ length: threads }, () => this.#start(setup));
    this.#fill();
  }

  async next(): Promise<Batch | null> {
    const asked = performance.now();
    for (;;) {
      if (this.#closed) return null;
      if (this.#broken) throw this.#broken;
      const head = this.#queue[0];
      if (!head && this.#ended) return this.#end(this.#ended);
      if (head?.failure) throw head.failure;
      if (head?.partsLeft === 0) {
        this.#queue.shift();
        return this.#lend(head, (performance.now() - asked) / 1000);
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  release(batch: Batch): void {
    const arrays = this.#lent.get(batch);
    if (!arrays) return;
    this.#lent.delete(batch);
    this.#spare.push(arrays);
  }

  setViews(views: readonly ViewRecipe[]): void {
    if (views === this.#views) return;
    this.#views = views;
    // New places, since rows lie elsewhere in them: a thread that still finishes a row of the old views writes to the old ones.
    this.#slots = this.#slots.map(() => this.#newSlot());
    Atomics.add(this.#generation, 0, 1);
    for (const pending of this.#queue) this.#make(pending);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#wake?.();
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }

  /** Floats of all views of a batch of that many rows. */
  #viewFloats(views: readonly ViewRecipe[], rows: number): number {
    const { channels } = this.options.manifest;
    return views.reduce((sum, recipe) => sum + rows * viewFloats(recipe, channels), 0);
  }

  #newSlot(): SlotBuffers {
    const { batchSize, targets } = this.options;
    return {
      views: new SharedArrayBuffer(this.#viewFloats(this.#views, batchSize) * 4),
      targets: new SharedArrayBuffer(batchSize * (targets?.k ?? 0) * 4),
      labels: new SharedArrayBuffer(batchSize * 4),
    };
  }

  #start(setup: WorkerSetup): Worker {
    const worker = new Worker(WORKER, { workerData: setup, name: 'rela-loader' });
    worker.on('message', (message: FromWorker) => void this.#hear(worker, message));
    worker.on('error', (error) => this.#break(error));
    worker.on('exit', (code) => this.#break(new Error(`A thread of the loader ended with code ${code}.`)));
    return worker;
  }

  /** Has batches made as long as there are slots for them. */
  #fill(): void {
    while (this.#freeSlots.length > 0 && !this.#ended) {
      const wanted = this.#nextWanted();
      if (!wanted) return;
      const pending: Pending = {
        ...wanted,
        number: this.#taken++,
        slot: this.#freeSlots.shift()!,
        views: this.#views,
        partsLeft: 0,
        failure: null,
      };
      this.#queue.push(pending);
      this.#make(pending);
    }
  }

  #nextWanted(): { epoch: number; indices: Uint32Array } | null {
    try {
      const { done, value } = this.#batches.next();
      if (!done && value.indices.length > this.options.batchSize)
        throw new RangeError(
          `a batch of ${value.indices.length} images; at most ${this.options.batchSize} were announced`,
        );
      if (!done) return value;
      this.#ended = { error: null };
    } catch (error) {
      // The batches before this one are good; `next` gives them out first.
      this.#ended = { error };
    }
    return null;
  }

  #end({ error }: { error: unknown }): null {
    if (error !== null) throw error;
    return null;
  }

  /** Gives every thread its rows; always the same ones, so that a part made again follows its forerunner on the same thread. */
  #make(pending: Pending): void {
    const { indices, epoch, number } = pending;
    const share = Math.ceil(indices.length / this.#workers.length);
    pending.views = this.#views;
    const slot = this.#slots[pending.slot]!;
    pending.failure = null;
    pending.partsLeft = this.#workers.length;
    for (const [index, worker] of this.#workers.entries()) {
      const from = index * share;
      const part = {
        batch: number,
        generation: this.#generation[0]!,
        slot,
        epoch,
        views: this.#views,
        rows: indices.length,
        indices: indices.slice(from, from + share),
        from,
      };
      tell(worker, { type: 'make', part });
    }
  }

  async #hear(worker: Worker, message: FromWorker): Promise<void> {
    if (message.type === 'resolve') return this.#resolve(worker, message.digest);
    if (message.generation !== this.#generation[0]) return;
    const pending = this.#queue.find(({ number }) => number === message.batch);
    if (!pending) return;
    pending.partsLeft--;
    if (message.type === 'failed') pending.failure ??= fromFailure(message.failure);
    this.#wake?.();
  }

  async #resolve(worker: Worker, digest: string): Promise<void> {
    try {
      tell(worker, { type: 'resolved', digest, path: await this.options.resolve(digest) });
    } catch (error) {
      tell(worker, { type: 'unresolved', digest, failure: toFailure(error) });
    }
  }

  #break(error: Error): void {
    if (this.#closed) return;
    this.#broken ??= error;
    this.#wake?.();
  }

  /**
   * Copies the batch out of shared memory and has the next one made in its place. ONNX Runtime's binding refuses shared memory
   * (1.30, Node 20: "Invalid argument"), and a copy takes less than a thousandth of a step.
   */
  #lend({ indices, epoch, views, slot }: Pending, waitedSeconds: number): Batch {
    const { targets, manifest } = this.options;
    const arrays = this.#spare.pop() ?? emptyArrays();
    const shared = this.#slots[slot]!;
    const all = copied(
      arrays,
      'views',
      new Float32Array(shared.views, 0, this.#viewFloats(views, indices.length)),
    );
    let start = 0;
    const batch: Batch = {
      epoch,
      indices,
      views: views.map((recipe) => {
        const from = start;
        start += indices.length * viewFloats(recipe, manifest.channels);
        return all.subarray(from, start);
      }),
      targets: targets
        ? copied(arrays, 'targets', new Float32Array(shared.targets, 0, indices.length * targets.k))
        : null,
      labels: copied(arrays, 'labels', new Int32Array(shared.labels, 0, indices.length)),
      waitedSeconds,
    };
    this.#lent.set(batch, arrays);
    this.#freeSlots.push(slot);
    this.#fill();
    return batch;
  }
}

interface BatchArrays {
  views: Float32Array;
  targets: Float32Array;
  labels: Int32Array;
}

function emptyArrays(): BatchArrays {
  return {
    views: new Float32Array(),
    targets: new Float32Array(),
    labels: new Int32Array(),
  };
}

/** `from` in the array that `arrays` keeps under that name, or in a new one where it does not fit. */
function copied<K extends keyof BatchArrays>(
  arrays: BatchArrays,
  name: K,
  from: BatchArrays[K],
): BatchArrays[K] {
  if (arrays[name].length < from.length) arrays[name] = from.slice() as BatchArrays[K];
  else arrays[name].set(from);
  return arrays[name].subarray(0, from.length) as BatchArrays[K];
}

function tell(worker: Worker, message: ToWorker): void {
  worker.postMessage(message);
}
