/** Makes rows of a batch: decodes images, draws their views, looks up targets and labels. Runs in a thread, knows no messages. */
import { createRandom } from '@rela/random';
import { mapOrdered } from '../ordered.js';
import { openSplit, type ResolveArtifact, type Split } from '../shards/split.js';
import { createViewer, type Viewer, viewFloats, viewKey } from '../views/viewer.js';
import type { Part, WorkerSetup } from './messages.js';
import { TargetRows } from './target-rows.js';

/** Images that one thread decodes at once: the decoder has threads of its own. */
const DECODED_AHEAD = 4;

export class BatchMaker {
  readonly #viewer: Viewer;
  readonly #targets: TargetRows | null;
  readonly #generation: Int32Array;
  #split: Promise<Split> | null = null;

  constructor(
    private readonly setup: WorkerSetup,
    private readonly resolve: ResolveArtifact,
  ) {
    this.#viewer = createViewer(setup.manifest);
    this.#targets = setup.targets && new TargetRows(setup.targets, resolve);
    this.#generation = new Int32Array(setup.generation);
  }

  /** Fills the rows of the part. Stops early, without an error, where the part is of an older generation. */
  async make(part: Part): Promise<void> {
    this.#split ??= openSplit(this.setup.manifest, this.setup.split, this.resolve);
    const split = await this.#split;
    const views = new Float32Array(part.slot.views);
    const targets = new Float32Array(part.slot.targets);
    const labels = new Int32Array(part.slot.labels);
    let row = part.from;
    const decoded = mapOrdered(numbers(part.indices), DECODED_AHEAD, async (index) => ({
      index,
      image: await split.decode(index),
    }));
    for await (const { index, image } of decoded) {
      if (Atomics.load(this.#generation, 0) !== part.generation) return;
      let start = 0;
      for (const [place, recipe] of part.views.entries()) {
        const random = createRandom(this.setup.seed, ...viewKey(part.epoch, index, place + 1));
        const floats = viewFloats(recipe, this.setup.manifest.channels);
        this.#viewer.draw(image, recipe, random, views, start + row * floats);
        start += part.rows * floats;
      }
      labels[row] = image.label ?? -1;
      await this.#targets?.read(index, targets, row * this.setup.targets!.k);
      row++;
    }
  }
}

async function* numbers(indices: Uint32Array): AsyncGenerator<number> {
  yield* indices;
}
