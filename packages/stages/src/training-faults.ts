/** What is wrong with a run's training in itself, or for a data set of this size: found before any worker spends a minute. */
import type { Training } from '@rela/contracts';
import { warmupSteps } from '@rela/learning';
import { subsetSize } from '@rela/random';
import { heldOutSize } from './train/held-out.js';
import { plannedSteps } from './train/schedule.js';

/** `path`: the field, within the run. */
export interface Fault {
  path: (string | number)[];
  message: string;
}

/** @param data.images training images, of `data.imageBytes` in the mean; `data.classes`: 0 without labels */
export function trainingFaults(
  run: Training,
  data: { images: number; imageBytes: number; classes: number },
): Fault[] {
  const faults: Fault[] = [];
  const fault = (path: string[], message: string) => faults.push({ path, message });
  const { batchSize, accumulate = 1, validation, budget, schedule, epochs, dataRatio } = run;
  const held = validation ? heldOutSize(data.images, validation.fraction) : 0;
  const images = data.images - held;
  const subset = subsetSize({ count: images, ratio: dataRatio });

  if (subset < batchSize) {
    const ways = [
      ...(subset < 2 ? [] : [`a batchSize of at most ${subset}`]),
      ...(dataRatio < 1 ? ['a larger dataRatio'] : []),
      ...(held > 0 ? ['a smaller validation.fraction'] : []),
      'more images',
    ];
    fault(
      ['batchSize'],
      `is ${batchSize}, and an epoch has ⌊${dataRatio} · ${images}⌋ = ${subset} images; take ${ways.join(', or ')}`,
    );
  }
  if (batchSize % accumulate !== 0)
    fault(
      ['accumulate'],
      `is ${accumulate}, which does not divide the batchSize of ${batchSize}; take one of ${divisorsOf(batchSize).join(', ')}`,
    );
  else if (accumulate > 1 && batchSize / accumulate < 2)
    fault(
      ['accumulate'],
      `is ${accumulate}: of a batch of ${batchSize} a part is one image, and batch norm needs two; take at most ${Math.floor(batchSize / 2)}`,
    );

  const stepsPerEpoch = Math.floor(subset / batchSize);
  const { totalSteps } = plannedSteps({
    epochs,
    stepsPerEpoch,
    batchSize,
    budget,
    imageBytes: data.imageBytes,
  });
  const stepBytes = Math.ceil(batchSize * data.imageBytes);
  if (budget?.images !== undefined && budget.images < batchSize)
    fault(['budget', 'images'], `is ${budget.images}, and one step takes the batchSize of ${batchSize}`);
  if (budget?.bytes !== undefined && budget.bytes < stepBytes)
    fault(
      ['budget', 'bytes'],
      `is ${budget.bytes}, and one step reads ${stepBytes}: the batchSize of ${batchSize} times the mean of an image`,
    );
  if (schedule && stepsPerEpoch > 0 && totalSteps > 0) {
    const warmup = warmupSteps(schedule.warmupEpochs, stepsPerEpoch);
    if (warmup > totalSteps)
      fault(
        ['schedule', 'warmupEpochs'],
        `is ${schedule.warmupEpochs}, longer than the run: ${warmup} steps of warm-up, and ${totalSteps} steps in all`,
      );
  }

  if (run.ema && !('momentum' in run.method))
    fault(
      ['ema'],
      `has nothing to act on: ${run.method.name} has no network that follows slowly; leave it out`,
    );
  if (run.return === 'best' && !validation)
    fault(['return'], 'is "best", and nothing says which weights are; add "validation", such as {}');
  if (validation && data.classes < 2)
    fault(
      ['validation'],
      'needs labels of two classes or more, and this dataset has none such; leave it out',
    );
  return faults;
}

/** Up to the half, so that a part has two images. */
function divisorsOf(count: number): number[] {
  return Array.from({ length: Math.floor(count / 2) }, (_, index) => index + 1).filter(
    (divisor) => count % divisor === 0,
  );
}
