/** Gaussian blur, in place; the image is mirrored at its edges, without repeating the edge (torchvision's `reflect`). */

/** Below this share of the middle a tap does not move a float32 sum. */
const NEGLIGIBLE = 1e-8;

/** Keeps its scratch memory for images of one size. */
export class GaussianBlur {
  /** Weights from the middle of the kernel outwards. */
  readonly #weights: Float32Array;
  /** How many of them count for the σ at hand. */
  #radius = 0;
  readonly #copy: Float32Array;

  constructor(
    private readonly size: number,
    private readonly channels: 1 | 3,
    /** Pixels of the kernel, odd. */
    kernel: number,
  ) {
    this.#weights = new Float32Array((kernel + 1) / 2);
    this.#copy = new Float32Array(size * size * channels);
  }

  /** @param sigma in pixels */
  apply(pixels: Float32Array, sigma: number): void {
    this.#weigh(sigma);
    const { size, channels } = this;
    const row = size * channels;
    // Down the columns a whole row is one run of numbers; along the rows each row is `size` runs of one pixel.
    this.#copy.set(pixels);
    this.#blur(this.#copy, 0, pixels, row, row);
    this.#copy.set(pixels);
    for (let line = 0; line < size; line++) this.#blur(this.#copy, line * row, pixels, channels, channels);
  }

  #weigh(sigma: number): void {
    const weights = this.#weights;
    let sum = 0;
    this.#radius = 0;
    for (let distance = 0; distance < weights.length; distance++) {
      const weight = Math.exp(-(distance ** 2) / (2 * sigma ** 2));
      if (weight < NEGLIGIBLE) break;
      weights[distance] = weight;
      sum += distance === 0 ? weight : 2 * weight;
      this.#radius = distance;
    }
    for (let distance = 0; distance <= this.#radius; distance++) weights[distance]! /= sum;
  }

  /** Blurs `size` runs of `run` numbers across each other; the first starts at `start`, each `step` after the one before. */
  #blur(from: Float32Array, start: number, to: Float32Array, step: number, run: number): void {
    const weights = this.#weights;
    const radius = this.#radius;
    for (let line = 0; line < this.size; line++) {
      const target = start + line * step;
      const middle = weights[0]!;
      for (let index = 0; index < run; index++) to[target + index] = middle * from[target + index]!;
      for (let distance = 1; distance <= radius; distance++) {
        const weight = weights[distance]!;
        const before = start + this.#mirrored(line - distance) * step;
        const after = start + this.#mirrored(line + distance) * step;
        for (let index = 0; index < run; index++)
          to[target + index]! += weight * (from[before + index]! + from[after + index]!);
      }
    }
  }

  /** Of a kernel larger than the image, what lies beyond the mirror image is the far edge. */
  #mirrored(line: number): number {
    const last = this.size - 1;
    if (line < 0) return Math.min(-line, last);
    return line > last ? Math.max(2 * last - line, 0) : line;
  }
}
