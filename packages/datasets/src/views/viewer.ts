/** Draws views: an image and a stream of random numbers to normalised floats, in a place that the caller names. */
import type { ViewRecipe } from '@rela/contracts';
import type { Random } from '@rela/random';
import { type DecodedImage, withChannels } from '../image.js';
import { GaussianBlur } from './blur.js';
import { brighten, contrast, grey, saturate, solarize, turnHue } from './colour.js';
import { type Box, centredSquare, randomResizedBox } from './crop.js';
import { Resampler } from './resample.js';

export interface ViewerOptions {
  channels: 1 | 3;
  /** A channel, of values scaled to [0, 1]. */
  mean: readonly number[];
  std: readonly number[];
}

export interface Viewer {
  /**
   * Writes the view [size, size, channels] of `image` to `out` from `offset` on: (value / 255 − mean) / std. What it shows depends
   * on the image, on the recipe and on `random` alone, and it takes no memory.
   */
  draw(image: DecodedImage, recipe: ViewRecipe, random: Random, out: Float32Array, offset: number): void;
}

/** Floats of a view [size, size, channels]. */
export function viewFloats({ size }: ViewRecipe, channels: number): number {
  return size * size * channels;
}

/** @throws RangeError where mean and std have not one number a channel */
export function createViewer(options: ViewerOptions): Viewer {
  const { channels, mean, std } = options;
  if (mean.length !== channels || std.length !== channels)
    throw new RangeError(`mean has ${mean.length} numbers and std ${std.length}, for ${channels} channels`);
  const bySize = new Map<number, ScratchViewer>();
  return {
    draw(image, recipe, random, out, offset) {
      const viewer = bySize.get(recipe.size) ?? new ScratchViewer(recipe.size, channels, mean, std);
      bySize.set(recipe.size, viewer);
      viewer.draw(image, recipe, random, out, offset);
    },
  };
}

type Operation = 'brightness' | 'contrast' | 'saturation' | 'hue';
const OPERATIONS: readonly Operation[] = ['brightness', 'contrast', 'saturation', 'hue'];
const SIGMA = [0.1, 2] as const;

/** Draws the views of one size; keeps its scratch memory. */
class ScratchViewer implements Viewer {
  readonly #resampler: Resampler;
  readonly #pixels: Float32Array;
  readonly #blurs = new Map<number, GaussianBlur>();

  constructor(
    private readonly size: number,
    private readonly channels: 1 | 3,
    private readonly mean: readonly number[],
    private readonly std: readonly number[],
  ) {
    this.#pixels = new Float32Array(size * size * channels);
    this.#resampler = new Resampler(size, channels);
  }

  draw(image: DecodedImage, recipe: ViewRecipe, random: Random, out: Float32Array, offset: number): void {
    this.#crop(withChannels(image, this.channels), recipe, random);
    if (recipe.jitter && random.next() < recipe.jitter.p) this.#jitter(recipe.jitter, random);
    if (random.next() < recipe.grayscale) grey(this.#pixels, this.channels);
    if (recipe.blur && random.next() < recipe.blur.p) this.#soften(recipe.blur.kernel, random);
    if (random.next() < recipe.solarize) solarize(this.#pixels);
    this.#normalise(out, offset);
  }

  #crop(image: DecodedImage, { crop, flip }: ViewRecipe, random: Random): void {
    let box: Box;
    switch (crop.kind) {
      case 'random-resized':
        box = randomResizedBox(image, crop.scale, crop.ratio, random);
        break;
      case 'padded':
      case 'centre':
        box = centredSquare(image);
        break;
      default:
        throw crop satisfies never;
    }
    this.#resampler.resample(image, box, random.next() < flip, this.#pixels);
    if (crop.kind === 'padded') {
      const down = random.int(2 * crop.padding + 1) - crop.padding;
      const right = random.int(2 * crop.padding + 1) - crop.padding;
      this.#shift(down, right);
    }
  }

  /** Moves the pixels; black moves in. The same as padding with black and cropping. */
  #shift(down: number, right: number): void {
    const { size, channels } = this;
    const pixels = this.#pixels;
    const row = size * channels;
    const skip = right * channels;
    for (let step = 0; step < size; step++) {
      // From the side that is moved over last, so that nothing is overwritten before it is read.
      const target = down > 0 ? size - 1 - step : step;
      const source = target - down;
      const at = target * row;
      if (source < 0 || source >= size) {
        pixels.fill(0, at, at + row);
        continue;
      }
      const from = source * row;
      pixels.copyWithin(at + Math.max(0, skip), from + Math.max(0, -skip), from + row - Math.max(0, skip));
      if (skip > 0) pixels.fill(0, at, at + skip);
      else pixels.fill(0, at + row + skip, at + row);
    }
  }

  #jitter(jitter: NonNullable<ViewRecipe['jitter']>, random: Random): void {
    const order = random.permutation(OPERATIONS.length);
    const factor = (range: number) => Math.max(0, 1 - range + 2 * range * random.next());
    const brightness = factor(jitter.brightness);
    const contrasting = factor(jitter.contrast);
    const saturation = factor(jitter.saturation);
    const hue = jitter.hue * (2 * random.next() - 1);
    for (const index of order) {
      const operation = OPERATIONS[index]!;
      if (operation === 'brightness') brighten(this.#pixels, brightness);
      else if (operation === 'contrast') contrast(this.#pixels, this.channels, contrasting);
      else if (operation === 'saturation') saturate(this.#pixels, this.channels, saturation);
      else turnHue(this.#pixels, this.channels, hue);
    }
  }

  #soften(kernel: number, random: Random): void {
    const sigma = SIGMA[0] + (SIGMA[1] - SIGMA[0]) * random.next();
    const blur = this.#blurs.get(kernel) ?? new GaussianBlur(this.size, this.channels, kernel);
    this.#blurs.set(kernel, blur);
    blur.apply(this.#pixels, sigma);
  }

  #normalise(out: Float32Array, offset: number): void {
    const { channels } = this;
    const pixels = this.#pixels;
    for (let channel = 0; channel < channels; channel++) {
      const scale = 1 / this.std[channel]!;
      const shift = -this.mean[channel]! * scale;
      for (let index = channel; index < pixels.length; index += channels)
        out[offset + index] = pixels[index]! * scale + shift;
    }
  }
}

/** Names of the stream that draws a view, the first being 1: the same view on any worker, in any order. */
export function viewKey(epoch: number, image: number, view: number): ['view', number, number, number] {
  return ['view', epoch, image, view];
}
