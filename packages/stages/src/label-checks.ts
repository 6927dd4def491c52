/** Whether a data set's labels allow what is asked of them; reads headers of shards, no images. */
import { type DatasetManifest, ProblemError, type SplitName } from '@rela/contracts';
import { openSplit } from '@rela/datasets';
import type { ArtifactStore } from '@rela/storage';

/** Labels int32 [n] of a split, −1: not labelled. */
export async function labelsOf(
  manifest: DatasetManifest,
  split: SplitName,
  store: ArtifactStore,
): Promise<Int32Array> {
  const opened = await openSplit(manifest, split, (digest) => store.localPath(digest));
  try {
    return await opened.labels();
  } finally {
    await opened.close();
  }
}

/** Whether there is something to judge a backbone by: classes, and test images. */
export function hasTest({ classes, splits }: DatasetManifest): boolean {
  return classes !== null && classes.length > 0 && splits.test !== null && splits.test.count > 0;
}

const NAMED = 5;

/**
 * @throws ProblemError `invalid-data` where a side has no label at all, or where test images are of classes that no training image is
 * of: no probe could name them, so that the accuracy would say something else than it seems to
 */
export async function assertTestable(
  manifest: DatasetManifest,
  store: ArtifactStore,
  dataset = 'the data set',
): Promise<void> {
  const trained = new Set(await labelsOf(manifest, 'train', store));
  const tested = new Set(await labelsOf(manifest, 'test', store));
  trained.delete(-1);
  tested.delete(-1);
  for (const [split, labels] of [
    ['training', trained],
    ['test', tested],
  ] as const)
    if (labels.size === 0)
      throw new ProblemError(
        'invalid-data',
        `None of the ${split} images of ${dataset} has a label, and its evaluation needs them. Give labels, or leave out the test images.`,
      );
  const unseen = [...tested].filter((label) => !trained.has(label)).sort((a, b) => a - b);
  if (unseen.length === 0) return;
  const names = unseen.slice(0, NAMED).map((label) => `"${manifest.classes?.[label] ?? label}"`);
  throw new ProblemError(
    'invalid-data',
    `The test images of ${dataset} have ${unseen.length === 1 ? 'a class' : `${unseen.length} classes`} that no training image has: ${names.join(', ')}${unseen.length > NAMED ? ', …' : ''}. Leave them out of the test images, or add training images of them.`,
  );
}
