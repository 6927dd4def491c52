/** Sizes that a plan is made of: of views, in pixels; of features and targets, in floats. */
import type { DatasetManifest, Training } from '@rela/contracts';
import { createBackbone } from '@rela/learning';

/** The width of a backbone does not depend on the size of the images. */
export const SOME_SIZE = 32;

/** Side of the square views of a run, in pixels; null where neither the run nor the data says it. */
export function viewSize(training: Training, manifest: DatasetManifest): number | null {
  if (training.imageSize !== undefined) return training.imageSize;
  return manifest.imageSize ? Math.min(manifest.imageSize.height, manifest.imageSize.width) : null;
}

/** Centred rows span one dimension less than there are rows: a wider target would hold zeros. */
export function widestTarget(prior: { width: number }, images: number): number {
  return Math.max(Math.min(prior.width, images - 1), 1);
}

/** d of a run's backbone. */
export const featureWidth = ({ backbone }: Training, { channels }: DatasetManifest): number =>
  createBackbone(backbone, { size: SOME_SIZE, channels }).width;

/** k = min(d, m) (method.md, section 1, step 3). */
export const targetWidth = (run: Training, manifest: DatasetManifest, prior: { width: number }): number =>
  Math.min(featureWidth(run, manifest), prior.width);
