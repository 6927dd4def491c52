/** Gaussian blur, in place; the image is mirrored at its edges, without repeating the edge (torchvision's `reflect`). */

/** Keeps its scratch memory for images of one size. */
export class GaussianBlur {
  readonly #line: Float32Array;
  readonly #kernel: Float32Array;

  constructor(
    private readonly size: number,
    private readonly channels: 1 | 3,
    /** Odd, and below twice the size. */
    private readonly kernel: number,
  ) {
    this.#line = new Float32Array(size + kernel - 1);
    this.#kernel = new Float32Array(kernel);
  }

  /** @param sigma in pixels */
  apply(pixels: Float32Array, sigma: number): void {
    this.#weigh(sigma);
    const { size, channels } = this;
    const row = size * channels;
    for (let line = 0; line < size; line++)
      for (let channel = 0; channel < channels; channel++) {
        this.#blurLine(pixels, line * row + channel, channels);
      }
    for (let column = 0; column < row; column++) this.#blurLine(pixels, column, row);
  }

  #weigh(sigma: number): void {
    const middle = (this.kernel - 1) / 2;
    let sum = 0;
    for (let tap = 0; tap < this.kernel; tap++) {
      this.#kernel[tap] = Math.exp(-((tap - middle) ** 2) / (2 * sigma ** 2));
      sum += this.#kernel[tap]!;
    }
    for (let tap = 0; tap < this.kernel; tap++) this.#kernel[tap]! /= sum;
  }

  /** Blurs the `size` values at start, start + step, … */
  #blurLine(pixels: Float32Array, start: number, step: number): void {
    const { size, kernel } = this;
    const line = this.#line;
    const margin = (kernel - 1) / 2;
    for (let index = 0; index < size; index++) line[margin + index] = pixels[start + index * step]!;
    for (let index = 1; index <= margin; index++) {
      line[margin - index] = line[margin + Math.min(index, size - 1)]!;
      line[margin + size - 1 + index] = line[margin + size - 1 - Math.min(index, size - 1)]!;
    }
    for (let index = 0; index < size; index++) {
      let sum = 0;
      for (let tap = 0; tap < kernel; tap++) sum += this.#kernel[tap]! * line[index + tap]!;
      pixels[start + index * step] = sum;
    }
  }
}
