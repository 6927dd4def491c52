/** Which images a step sees: a fresh random subset every epoch, cut into batches; and how many steps there are. */
import type { BudgetSpec, DatasetManifest, EndedBy } from '@rela/contracts';
import { epochSubset, subsetSize } from '@rela/random';

export interface Schedule {
  stepsPerEpoch: number;
  /** Of all epochs, or as many as the budget has steps, images or bytes for. */
  totalSteps: number;
  /** What `totalSteps` is bounded by. */
  endedBy: Extract<EndedBy, 'epochs' | 'steps' | 'images' | 'bytes'>;
  /** The epoch, from 0, of a step, which counts from 1. */
  epochOf(step: number): number;
  /** Image indices [B] of every step from `first` (counting from 1) to the last. */
  batches(first: number): Generator<{ step: number; epoch: number; indices: Uint32Array }>;
}

/**
 * Every epoch trains on ⌊ratio·n⌋ images (method.md, section 2, "Data ratio"); what does not fill a batch is left out.
 * @param options.kept the images that are trained on, where it is not all of them; `images` is their number
 * @param options.imageBytes of an image in the shards, in the mean; needed where the budget is of bytes
 */
export function createSchedule(options: {
  images: number;
  dataRatio: number;
  batchSize: number;
  epochs: number;
  seed: number;
  imageBytes?: number;
  budget?: BudgetSpec | undefined;
  kept?: Uint32Array | undefined;
}): Schedule {
  const { images, dataRatio, batchSize, seed, kept } = options;
  const stepsPerEpoch = Math.floor(subsetSize({ count: images, ratio: dataRatio }) / batchSize);
  const { totalSteps, endedBy } = plannedSteps({ ...options, stepsPerEpoch });
  const epochOf = (step: number) => Math.floor((step - 1) / stepsPerEpoch);
  return {
    stepsPerEpoch,
    totalSteps,
    endedBy,
    epochOf,
    *batches(first) {
      let step = first;
      while (step <= totalSteps) {
        const epoch = epochOf(step);
        const chosen = epochSubset({ seed, epoch, count: images, ratio: dataRatio });
        const subset = kept ? chosen.map((index) => kept[index]!) : chosen;
        for (; step <= totalSteps && epochOf(step) === epoch; step++) {
          const at = ((step - 1) % stepsPerEpoch) * batchSize;
          yield { step, epoch, indices: subset.slice(at, at + batchSize) };
        }
      }
    },
  };
}

/** Steps of a run before seconds and FLOPs are counted, and the bound that makes them so few. */
export function plannedSteps({
  epochs,
  stepsPerEpoch,
  batchSize,
  imageBytes = 0,
  budget,
}: {
  epochs: number;
  stepsPerEpoch: number;
  batchSize: number;
  imageBytes?: number;
  budget?: BudgetSpec | undefined;
}): Pick<Schedule, 'totalSteps' | 'endedBy'> {
  const bounds = [
    { endedBy: 'epochs' as const, totalSteps: epochs * stepsPerEpoch },
    { endedBy: 'steps' as const, totalSteps: budget?.steps ?? Number.POSITIVE_INFINITY },
    {
      endedBy: 'images' as const,
      totalSteps: Math.floor((budget?.images ?? Number.POSITIVE_INFINITY) / batchSize),
    },
    {
      endedBy: 'bytes' as const,
      totalSteps: Math.floor((budget?.bytes ?? Number.POSITIVE_INFINITY) / (batchSize * imageBytes)),
    },
  ];
  return bounds.reduce((least, bound) => (bound.totalSteps < least.totalSteps ? bound : least));
}

/** Bytes of a training image in the shards, in the mean. */
export function meanImageBytes({ splits: { train } }: Pick<DatasetManifest, 'splits'>): number {
  return train.shards.reduce((sum, { bytes }) => sum + bytes, 0) / train.count;
}

/** The same batches in equal parts, those of the first step that are done left out. */
export function* inParts<T extends { indices: Uint32Array }>(
  batches: Iterable<T>,
  parts: number,
  done: number,
): Generator<T> {
  let skip = done;
  for (const batch of batches) {
    const size = batch.indices.length / parts;
    for (let part = skip; part < parts; part++)
      yield { ...batch, indices: batch.indices.slice(part * size, (part + 1) * size) };
    skip = 0;
  }
}
