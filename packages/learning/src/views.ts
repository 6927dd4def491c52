/** The augmentations that methods share, and those under which the ReLA loss is used. Every number has its source beside it. */
import type { ViewRecipe } from '@rela/contracts';

/** Views up to this size count as small: CIFAR, Tiny-ImageNet, MNIST (method.md, section 2, reference settings). */
const SMALL = 64;
/** Inception's range (Szegedy et al. 2015), as every method here uses it. */
const RATIO = [3 / 4, 4 / 3] as const;

export const isSmall = (size: number) => size <= SMALL;

/** A view of `size` × `size` pixels that nothing but its crop changes. */
export function plainView(size: number, crop: ViewRecipe['crop']): ViewRecipe {
  return { size, crop, flip: 0, jitter: null, grayscale: 0, blur: null, solarize: 0 };
}

/** Random resized crop that shows that share of the image's area, from and to. */
export function resizedCrop(from: number, to = 1): ViewRecipe['crop'] {
  return { kind: 'random-resized', scale: [from, to], ratio: RATIO };
}

/**
 * The smallest share of an image that a crop shows where a paper has 0.08, Inception's: at least 0.2 of small images, as MoCo v2
 * has it and solo-learn for CIFAR. 0.08 of 28 × 28 are 8 × 8 pixels, which show no object.
 */
export function smallestShare(size: number): number {
  return isSmall(size) ? 0.2 : 0.08;
}

/**
 * A blur with probability p. Its kernel is a tenth of the side, odd, as in SimCLR (Chen et al. 2020, appendix A: 23 pixels at 224).
 * Small images are not blurred, as in SimCLR on CIFAR-10 (its appendix B.9): there a blur takes away what the image shows.
 */
export function blurred(size: number, p: number): ViewRecipe['blur'] {
  return isSmall(size) ? null : { p, kernel: 2 * Math.floor(size / 20) + 1 };
}

/** Colour jitter with probability 0.8 and grey with 0.2, as all methods have them, of those strengths. */
export function coloured(
  brightness: number,
  contrast: number,
  saturation: number,
  hue: number,
): Pick<ViewRecipe, 'jitter' | 'grayscale'> {
  return { jitter: { p: 0.8, brightness, contrast, saturation, hue }, grayscale: 0.2 };
}

/** ReLA, "efficient samples" (Sun et al. 2024; method.md, section 2). Both views alike. */
export function relaViews(size: number): ViewRecipe[] {
  const view = { ...plainView(size, resizedCrop(0.5)), ...coloured(0.8, 0.8, 0.8, 0.2), flip: 0.5 };
  return [view, view];
}

/** The image itself, its centred square: for evaluation. */
export function imageView(size: number): ViewRecipe {
  return plainView(size, { kind: 'centre' });
}
