/** Which images a step sees: a fresh random subset every epoch, cut into batches. */
import { epochSubset, subsetSize } from '@rela/random';

export interface Schedule {
  stepsPerEpoch: number;
  totalSteps: number;
  /** The epoch, from 0, of a step, which counts from 1. */
  epochOf(step: number): number;
  /** Image indices [B] of every step from `first` (counting from 1) to the last. */
  batches(first: number): Generator<{ step: number; epoch: number; indices: Uint32Array }>;
}

/** Every epoch trains on ⌊ratio·n⌋ images (method.md, section 2, "Data ratio"); what does not fill a batch is left out. */
export function createSchedule(options: {
  images: number;
  dataRatio: number;
  batchSize: number;
  epochs: number;
  seed: number;
}): Schedule {
  const { images, dataRatio, batchSize, epochs, seed } = options;
  const stepsPerEpoch = Math.floor(subsetSize({ count: images, ratio: dataRatio }) / batchSize);
  const totalSteps = stepsPerEpoch * epochs;
  const epochOf = (step: number) => Math.floor((step - 1) / stepsPerEpoch);
  return {
    stepsPerEpoch,
    totalSteps,
    epochOf,
    *batches(first) {
      let step = first;
      while (step <= totalSteps) {
        const epoch = epochOf(step);
        const subset = epochSubset({ seed, epoch, count: images, ratio: dataRatio });
        for (; step <= totalSteps && epochOf(step) === epoch; step++) {
          const at = ((step - 1) % stepsPerEpoch) * batchSize;
          yield { step, epoch, indices: subset.slice(at, at + batchSize) };
        }
      }
    },
  };
}
