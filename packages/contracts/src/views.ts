/**
 * Views: what a loss sees of an image. Plain data, so that a method can name its augmentation without knowing images, and a loader
 * can draw it without knowing methods.
 */

export interface ViewRecipe {
  /** Side of the square view in pixels. */
  size: number;
  /** `padded`: the whole image, moved by up to `padding` pixels over black; `centre`: its centred square. */
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
