/** Makes rows of a batch: decodes images, draws their views, looks up targets and labels. Runs in a thread, knows no messages. */
import { createRandom } from '@rela/random';
import { mapOrdered } from '../ordered.js';
import { openSplit, type ResolveArtifact, type Split } from '../shards/split.js';
import { type ViewNumber, viewsOf } from '../views/recipe.js';
import { createViewer, type Viewer, viewKey } from '../views/viewer.js';
import type { Part, SlotBuffers, WorkerSetup } from './messages.js';
import { TargetRows } from './target-rows.js';

/** Images that one thread decodes at once: the decoder has threads of its own. */
const DECODED_AHEAD = 4;

interface Slot {
  views: Record<ViewNumber, Float32Array>;
  targets: Float32Array;
  labels: Int32Array;
}

export class BatchMaker {
  readonly #viewer: Viewer;
  readonly #targets: TargetRows | null;
  readonly #slots: Slot[];
  readonly #generation: Int32Array;
  #split: Promise<Split> | null = null;

  constructor(
    private readonly setup: WorkerSetup,
    private readonly resolve: ResolveArtifact,
  ) {
    this.#viewer = createViewer({ ...setup.manifest, size: setup.size });
    this.#targets = setup.targets && new TargetRows(setup.targets, resolve);
    this.#slots = setup.slots.map(slotArrays);
    this.#generation = new Int32Array(setup.generation);
  }

  /** Fills the rows of the part. Stops early, without an error, where the part is of an older generation. */
  async make(part: Part): Promise<void> {
    this.#split ??= openSplit(this.setup.manifest, this.setup.split, this.resolve);
    const split = await this.#split;
    const slot = this.#slots[part.slot]!;
    let row = part.from;
    const decoded = mapOrdered(numbers(part.indices), DECODED_AHEAD, async (index) => ({
      index,
      image: await split.decode(index),
    }));
    for await (const { index, image } of decoded) {
      if (Atomics.load(this.#generation, 0) !== part.generation) return;
      for (let view: ViewNumber = 1; view <= viewsOf(part.kind); view++) {
        const number = view === 1 ? 1 : 2;
        const random = createRandom(this.setup.seed, ...viewKey(part.epoch, index, number));
        const at = row * this.#viewer.floats;
        this.#viewer.draw(image, part.kind, number, random, slot.views[number], at);
      }
      slot.labels[row] = image.label ?? -1;
      await this.#targets?.read(index, slot.targets, row * this.setup.targets!.k);
      row++;
    }
  }
}

async function* numbers(indices: Uint32Array): AsyncGenerator<number> {
  yield* indices;
}

function slotArrays({ view1, view2, targets, labels }: SlotBuffers): Slot {
  return {
    views: { 1: new Float32Array(view1), 2: new Float32Array(view2) },
    targets: new Float32Array(targets),
    labels: new Int32Array(labels),
  };
}
