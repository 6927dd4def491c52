/** What is wrong with how a run is to be judged, found when its job is submitted. */
import type { DatasetManifest, Training } from '@rela/contracts';
import { imagesPerClass } from './labelled-subset.js';
import { hasTest } from './labels.js';
import type { Fault } from './training-faults.js';

/** A data set that a run names for transfer, looked up by the name it was given. */
export interface TransferDataset {
  name: string;
  digest: string;
  manifest: DatasetManifest;
}

/** @param transfers by reference, every one that the request names */
export function evaluationFaults(
  { evaluation }: Training,
  manifest: DatasetManifest,
  transfers: ReadonlyMap<string, TransferDataset>,
): Fault[] {
  const faults: Fault[] = [];
  const { finetune, transfer, knn } = evaluation;
  const tooMany = hasTest(manifest) && neighboursMissing(knn.k, manifest);
  if (tooMany) faults.push({ path: ['evaluation', 'knn', 'k'], message: tooMany });
  const missing = whatIsMissing(manifest);
  if (finetune && missing)
    faults.push({
      path: ['evaluation', 'finetune'],
      message: `needs labels of two classes or more and test images, and this dataset ${missing}; leave it out`,
    });
  else if (finetune) {
    const images = manifest.splits.train.count;
    const classes = manifest.classes!.length;
    for (const [index, share] of finetune.shares.entries()) {
      const path = ['evaluation', 'finetune', 'shares', index];
      if (finetune.shares.indexOf(share) !== index) faults.push({ path, message: `${share} is named twice` });
      else if (share < 1 && imagesPerClass(images, classes, share) === 0)
        faults.push({
          path,
          message: `is ${share}: of ${images} images that is less than one of each of the ${classes} classes; take ${Math.ceil((classes / images) * 1000) / 1000} or more`,
        });
    }
  }
  for (const [index, reference] of (transfer ?? []).entries()) {
    const other = transfers.get(reference);
    const path = ['evaluation', 'transfer', index];
    const lacks = other && whatIsMissing(other.manifest);
    const few = other && neighboursMissing(knn.k, other.manifest);
    if (lacks)
      faults.push({
        path,
        message: `"${reference}" cannot be judged on: it ${lacks}; a probe needs labels of two classes or more and test images`,
      });
    else if (few)
      faults.push({ path, message: `"${reference}" cannot be judged on: evaluation.knn.k ${few}` });
    else if (transfer!.indexOf(reference) !== index)
      faults.push({ path, message: `"${reference}" is named twice` });
  }
  return faults;
}

/** Why there are not as many neighbours as are to vote; null where there are. */
function neighboursMissing(k: number, { splits }: DatasetManifest): string | null {
  const { count } = splits.train;
  return k <= count ? null : `is ${k}, and there are ${count} training images; take ${count} or fewer`;
}

function whatIsMissing(manifest: DatasetManifest): string | null {
  const classes = manifest.classes?.length ?? 0;
  if (classes === 0) return 'has no labels';
  if (classes === 1) return 'has one class';
  return hasTest(manifest) ? null : 'has no test images';
}
