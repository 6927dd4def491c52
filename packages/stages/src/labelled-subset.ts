/** The labelled images that fine-tuning sees: a share of them, equally many of every class (Chen et al. 2020, section 4.2). */
import { ProblemError } from '@rela/contracts';
import { createRandom } from '@rela/random';

/** Images of every class that a share of `images` is: ⌊share · images / classes⌋. */
export function imagesPerClass(images: number, classes: number, share: number): number {
  // What a decimal share loses in binary must not cost an image: 0.07 · 100 is a little less than 7.
  return Math.floor((share * images) / classes + 1e-9);
}

/**
 * Indices of the images, rising. A share of 1 is every labelled image; of a class with fewer images than its part, all are taken. A
 * class that no image has stays out: no test image has it either, or the data set would have been refused.
 * @param labels int32 [n], −1: not labelled
 * @throws ProblemError `invalid-data` where the share is less than an image of each class
 */
export function labelledSubset(options: {
  labels: Int32Array;
  classes: readonly string[];
  share: number;
  seed: number;
}): Uint32Array {
  const { labels, classes, share, seed } = options;
  const byClass: number[][] = classes.map(() => []);
  for (const [index, label] of labels.entries()) if (label >= 0) byClass[label]!.push(index);
  const labelled = byClass.reduce((sum, { length }) => sum + length, 0);
  const part = share === 1 ? labelled : imagesPerClass(labelled, classes.length, share);
  if (part === 0)
    throw new ProblemError(
      'invalid-data',
      `Fine-tuning with ${share} of the labels would see no image of a class: there are ${labelled} labelled images of ${classes.length} classes. Take a larger share.`,
    );
  const taken = byClass.flatMap((indices, label) => {
    if (indices.length <= part) return indices;
    const order = createRandom(seed, 'labelled subset', label).permutation(indices.length);
    return [...order.subarray(0, part)].map((at) => indices[at]!);
  });
  return Uint32Array.from(taken).sort();
}
