/** The labels of a data set: whether it has what an evaluation needs, and what they are. Reads headers of shards, no images. */
import type { DatasetManifest, SplitName } from '@rela/contracts';
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
