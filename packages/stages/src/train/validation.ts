/**
 * A look at how good a backbone is while it trains: kNN of the held-out images among images that it trains on, both plain.
 * Cosine, temperature 0.07 (method.md, section 3).
 */
import type { DatasetManifest, Training, ValidationPoint, ValidationSpec } from '@rela/contracts';
import { createLoader } from '@rela/datasets';
import type { Engine, HostTensors, Plan, Step } from '@rela/engine';
import {
  type Backbone,
  type FeatureSource,
  featureStep,
  imageView,
  inMemory,
  knnPredict,
} from '@rela/learning';
import { createRandom } from '@rela/random';
import type { ArtifactStore } from '@rela/storage';
import { accuracyOf } from '../evaluate.js';
import type { HeldOut } from './held-out.js';

/** A look takes at most this many images of either side, so that it costs the same for any data set. */
const MOST_IMAGES = 5000;
const MOST_A_BATCH = 256;
const TEMPERATURE = 0.07;

export interface ValidationOptions {
  spec: ValidationSpec;
  training: Training;
  manifest: DatasetManifest;
  image: { size: number; channels: number };
  backbone: Backbone;
  heldOut: HeldOut;
  engine: Engine;
  /** Kernels that the run has chosen; the look takes the same. */
  plan: () => Plan;
  store: ArtifactStore;
  threads: number;
  signal: AbortSignal;
}

export class Validation {
  /** The images of a look: those with a vote, then those that are asked about. */
  readonly #voters: Uint32Array;
  readonly #asked: Uint32Array;
  #step: Step | null = null;

  constructor(private readonly options: ValidationOptions) {
    const { heldOut, training } = options;
    const order = createRandom(training.seed, 'voters').permutation(heldOut.kept.length);
    this.#voters = order.slice(0, MOST_IMAGES).map((index) => heldOut.kept[index]!);
    this.#asked = heldOut.held.slice(0, MOST_IMAGES);
  }

  /** kNN accuracy of a backbone on the held-out images that have a label, 0 to 1. */
  async accuracyOf(weights: HostTensors): Promise<number> {
    const { engine, manifest, spec } = this.options;
    const train = await this.#features(weights, this.#voters);
    const test = await this.#features(weights, this.#asked);
    const classes = manifest.classes?.length ?? 0;
    const votes = await knnPredict({ engine, train, test, classes, k: spec.k, temperature: TEMPERATURE });
    return accuracyOf(votes, test.labels);
  }

  async close(): Promise<void> {
    await this.#step?.dispose();
  }

  async #features(weights: HostTensors, images: Uint32Array): Promise<FeatureSource> {
    const { manifest, image, store, threads, training, backbone, signal } = this.options;
    const batchSize = Math.min(MOST_A_BATCH, Math.max(this.#voters.length, this.#asked.length));
    const step = await this.#stepFor(weights, batchSize);
    const shape = [batchSize, image.size, image.size, image.channels];
    const features = new Float32Array(images.length * backbone.width);
    const labels = new Int32Array(images.length);
    function* batches() {
      for (let at = 0; at < images.length; at += batchSize)
        yield { epoch: 0, indices: images.slice(at, at + batchSize) };
    }
    const loader = createLoader({
      ...{ manifest, batches: batches(), batchSize, views: [imageView(image.size)] },
      ...{ seed: training.seed, threads, resolve: (digest: string) => store.localPath(digest) },
    });
    // The last batch is filled up with rows of the one before, which nobody reads.
    const padded = new Float32Array(shape.reduce((product, side) => product * side, 1));
    try {
      for (let row = 0; row < images.length; ) {
        signal.throwIfAborted();
        const batch = await loader.next();
        if (!batch) throw new Error('The loader ended before the last image of a look.');
        padded.set(batch.views[0]!);
        const { features: made } = await step.run({ view1: { dtype: 'float32', shape, data: padded } });
        const count = batch.indices.length;
        features.set((made!.data as Float32Array).subarray(0, count * backbone.width), row * backbone.width);
        labels.set(batch.labels, row);
        row += count;
        loader.release(batch);
      }
    } finally {
      await loader.close();
    }
    return inMemory({ features, labels, width: backbone.width });
  }

  /** φ in inference, compiled at the first look. */
  async #stepFor(weights: HostTensors, batchSize: number): Promise<Step> {
    const { backbone, engine, image, plan } = this.options;
    if (this.#step) {
      this.#step.load(weights);
      return this.#step;
    }
    this.#step = await engine.compile(
      featureStep(backbone),
      weights,
      { view1: { shape: [batchSize, image.size, image.size, image.channels], dtype: 'float32' } },
      { plan: plan() },
    );
    return this.#step;
  }
}

/** Where the best look is in the list; the earlier of equal ones. −1 for none. */
export function bestOf(points: readonly ValidationPoint[]): number {
  return points.reduce(
    (best, point, at) => (best < 0 || point.accuracy > points[best]!.accuracy ? at : best),
    -1,
  );
}

/** Whether so many looks in a row were no better than the best before them. */
export function hasLostPatience(points: readonly ValidationPoint[], patience: number | undefined): boolean {
  return patience !== undefined && points.length > 0 && points.length - 1 - bestOf(points) >= patience;
}
