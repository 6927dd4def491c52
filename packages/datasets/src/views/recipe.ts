/** Which augmentation each kind of view is made of. Every number has its source beside it. */

/**
 * - `rela`: the mild augmentation under which ReLA's loss is used
 * - `byol`: BYOL's own two views, which differ
 * - `supervised`: what a classifier is trained on
 * - `plain`: the image itself, for evaluation
 */
export type ViewKind = 'rela' | 'byol' | 'supervised' | 'plain';

/** An image has two views at most; for BYOL the second is sometimes solarised, and of larger images the first always blurred. */
export type ViewNumber = 1 | 2;

export interface ViewRecipe {
  crop:
    | { kind: 'random-resized'; scale: readonly [number, number]; ratio: readonly [number, number] }
    | { kind: 'padded'; padding: number }
    | { kind: 'centre' };
  /** Probability of a horizontal flip. */
  flip: number;
  /** Colour jitter with probability p: factors from [1 − x, 1 + x], hue turned by [−hue, hue] of a full turn. */
  jitter: { p: number; brightness: number; contrast: number; saturation: number; hue: number } | null;
  /** Probability of grey. */
  grayscale: number;
  /** Probability of a Gaussian blur with σ from [0.1, 2] pixels over `kernel` pixels. */
  blur: { p: number; kernel: number } | null;
  /** Probability of solarisation above one half. */
  solarize: number;
}

/** Views up to this size count as small: CIFAR, Tiny-ImageNet, MNIST (method.md, section 2, reference settings). */
const SMALL = 64;
/** Inception's range (Szegedy et al. 2015), as every method here uses it. */
const RATIO = [3 / 4, 4 / 3] as const;

/** The recipe of a view of `size` × `size` pixels. */
export function viewRecipe(kind: ViewKind, view: ViewNumber, size: number): ViewRecipe {
  switch (kind) {
    case 'rela':
      return RELA;
    case 'byol':
      return byol(view, size);
    case 'supervised':
      return supervised(size);
    case 'plain':
      return { crop: { kind: 'centre' }, flip: 0, jitter: null, grayscale: 0, blur: null, solarize: 0 };
    default:
      return kind satisfies never;
  }
}

/** How many views of an image a loss takes. */
export function viewsOf(kind: ViewKind): ViewNumber {
  return kind === 'rela' || kind === 'byol' ? 2 : 1;
}

/** ReLA, "efficient samples" (Sun et al. 2024; method.md, section 2). Both views alike. */
const RELA: ViewRecipe = {
  crop: { kind: 'random-resized', scale: [0.5, 1], ratio: RATIO },
  flip: 0.5,
  jitter: { p: 0.8, brightness: 0.8, contrast: 0.8, saturation: 0.8, hue: 0.2 },
  grayscale: 0.2,
  blur: null,
  solarize: 0,
};

/**
 * BYOL (Grill et al. 2020, appendix B, table 6): T for the first view, T′ for the second. Three things depend on the size. The
 * blur's kernel is a tenth of the side, odd, as in SimCLR (Chen et al. 2020, appendix A: 23 pixels at 224). Up to 64 pixels nothing
 * is blurred, as in SimCLR on CIFAR-10 (its appendix B.9): there a blur takes away what the image shows. And a crop then keeps at
 * least 0.2 of the image, not 0.08 — 0.08 of 28 × 28 are 8 × 8 pixels, which show no object — as MoCo v2 does and as solo-learn does
 * for CIFAR.
 */
function byol(view: ViewNumber, size: number): ViewRecipe {
  const isSmall = size <= SMALL;
  return {
    crop: { kind: 'random-resized', scale: [isSmall ? 0.2 : 0.08, 1], ratio: RATIO },
    flip: 0.5,
    jitter: { p: 0.8, brightness: 0.4, contrast: 0.4, saturation: 0.2, hue: 0.1 },
    grayscale: 0.2,
    blur: isSmall ? null : { p: view === 1 ? 1 : 0.1, kernel: 2 * Math.floor(size / 20) + 1 },
    solarize: view === 1 ? 0 : 0.2,
  };
}

/**
 * Small: padding by an eighth of the side and a random crop, as ResNet does on CIFAR (He et al. 2015, section 4.2: 4 pixels at 32),
 * without its flip, because a digit's mirror image is none. Larger: ResNet's recipe for ImageNet in today's form.
 */
function supervised(size: number): ViewRecipe {
  const plain = { jitter: null, grayscale: 0, blur: null, solarize: 0 };
  if (size <= SMALL) return { ...plain, crop: { kind: 'padded', padding: Math.round(size / 8) }, flip: 0 };
  return { ...plain, crop: { kind: 'random-resized', scale: [0.08, 1], ratio: RATIO }, flip: 0.5 };
}
