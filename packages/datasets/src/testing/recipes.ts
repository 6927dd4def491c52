/** Recipes of views for the tests of this package: small ones, each with one thing of its own. */
import type { ViewRecipe } from '@rela/contracts';

/** A random crop of at least half of the image, and nothing else but what `changed` says. */
export function cropped(size: number, changed: Partial<ViewRecipe> = {}): ViewRecipe {
  return {
    size,
    crop: { kind: 'random-resized', scale: [0.5, 1], ratio: [3 / 4, 4 / 3] },
    flip: 0,
    jitter: null,
    grayscale: 0,
    blur: null,
    solarize: 0,
    ...changed,
  };
}
