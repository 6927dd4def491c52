/** The images that a run validates on: a part of the training images by its seed. The test images have no part in it. */
import { createRandom, portion } from '@rela/random';

export interface HeldOut {
  /** Indices of the images that are trained on, rising. */
  kept: Uint32Array;
  /** Indices of the others, in random order. */
  held: Uint32Array;
}

/** How many of `images` are held out: ⌊fraction·images⌋, one at least. */
export function heldOutSize(images: number, fraction: number): number {
  return Math.max(1, portion(fraction, images));
}

/** Memory: 4 bytes an image. */
export function holdOut(images: number, { fraction, seed }: { fraction: number; seed: number }): HeldOut {
  const order = createRandom(seed, 'validation').permutation(images);
  const size = heldOutSize(images, fraction);
  return { held: order.slice(0, size), kept: order.slice(size).sort() };
}
