/**
 * Resampling: a box of an image to a square of floats. Bilinear with antialiasing, as in PIL and in torchvision with
 * `antialias=True`: a triangle of radius max(1, pixels of the image a pixel of the view), centred on the pixel, normalised, and
 * cut off where the box ends.
 */
import type { DecodedImage } from '../image.js';
import type { Box } from './crop.js';

/** Weights of one axis: output i is Σ weights[i · stride + t] · input[starts[i] + t] over t < taps[i]. */
interface Axis {
  starts: Int32Array;
  taps: Int32Array;
  weights: Float32Array;
  stride: number;
}

export class Resampler {
  readonly #columns: Axis;
  readonly #rows: Axis;
  /** Rows of the box, already of the view's width: [rows, size, channels]. */
  #narrowed = new Float32Array();

  constructor(
    private readonly size: number,
    private readonly channels: 1 | 3,
  ) {
    this.#columns = emptyAxis(size);
    this.#rows = emptyAxis(size);
  }

  /** Writes [size, size, channels] to `out`, values scaled to [0, 1], mirrored where `flip`. */
  resample(image: DecodedImage, box: Box, flip: boolean, out: Float32Array): void {
    weigh(this.#columns, this.size, box.left, box.width, image.width, 1 / 255, flip);
    weigh(this.#rows, this.size, box.top, box.height, image.height, 1, false);
    const first = this.#rows.starts[0]!;
    const last = this.#rows.starts[this.size - 1]! + this.#rows.taps[this.size - 1]!;
    const needed = (last - first) * this.size * this.channels;
    if (this.#narrowed.length < needed) this.#narrowed = new Float32Array(needed);
    if (this.channels === 1) this.#narrowGrey(image, first, last);
    else this.#narrowColour(image, first, last);
    this.#shorten(first, out);
  }

  #narrowGrey({ data, width }: DecodedImage, first: number, last: number): void {
    const { starts, taps, weights, stride } = this.#columns;
    const narrowed = this.#narrowed;
    let target = 0;
    for (let row = first; row < last; row++) {
      for (let column = 0; column < this.size; column++) {
        let source = row * width + starts[column]!;
        let weight = column * stride;
        let sum = 0;
        for (const end = weight + taps[column]!; weight < end; weight++)
          sum += weights[weight]! * data[source++]!;
        narrowed[target++] = sum;
      }
    }
  }

  #narrowColour({ data, width }: DecodedImage, first: number, last: number): void {
    const { starts, taps, weights, stride } = this.#columns;
    const narrowed = this.#narrowed;
    let target = 0;
    for (let row = first; row < last; row++) {
      for (let column = 0; column < this.size; column++) {
        let source = (row * width + starts[column]!) * 3;
        let weight = column * stride;
        let red = 0;
        let green = 0;
        let blue = 0;
        for (const end = weight + taps[column]!; weight < end; weight++) {
          const share = weights[weight]!;
          red += share * data[source]!;
          green += share * data[source + 1]!;
          blue += share * data[source + 2]!;
          source += 3;
        }
        narrowed[target] = red;
        narrowed[target + 1] = green;
        narrowed[target + 2] = blue;
        target += 3;
      }
    }
  }

  #shorten(first: number, out: Float32Array): void {
    const { starts, taps, weights, stride } = this.#rows;
    const line = this.size * this.channels;
    const narrowed = this.#narrowed;
    for (let row = 0; row < this.size; row++) {
      const target = row * line;
      const source = (starts[row]! - first) * line;
      const share = weights[row * stride]!;
      for (let index = 0; index < line; index++) out[target + index] = share * narrowed[source + index]!;
      for (let tap = 1; tap < taps[row]!; tap++) {
        const share = weights[row * stride + tap]!;
        const from = source + tap * line;
        for (let index = 0; index < line; index++)
          out[target + index] = out[target + index]! + share * narrowed[from + index]!;
      }
    }
  }
}

function emptyAxis(size: number): Axis {
  return { starts: new Int32Array(size), taps: new Int32Array(size), weights: new Float32Array(), stride: 0 };
}

/** Fills the weights of an axis; all are multiplied by `factor`. */
function weigh(
  axis: Axis,
  size: number,
  start: number,
  length: number,
  limit: number,
  factor: number,
  flip: boolean,
): void {
  const scale = length / size;
  const radius = Math.max(scale, 1);
  const stride = 2 * Math.ceil(radius) + 1;
  if (axis.weights.length < size * stride) axis.weights = new Float32Array(size * stride);
  axis.stride = stride;
  const lowest = Math.max(0, Math.floor(start));
  const highest = Math.min(limit, Math.ceil(start + length));
  for (let index = 0; index < size; index++) {
    const centre = start + (index + 0.5) * scale;
    const from = Math.max(lowest, Math.floor(centre - radius + 0.5));
    const to = Math.min(highest, Math.floor(centre + radius + 0.5));
    const output = flip ? size - 1 - index : index;
    let total = 0;
    for (let input = from; input < to; input++) {
      const weight = Math.max(0, 1 - Math.abs(input + 0.5 - centre) / radius);
      axis.weights[output * stride + input - from] = weight;
      total += weight;
    }
    const normal = factor / total;
    for (let tap = 0; tap < to - from; tap++) axis.weights[output * stride + tap]! *= normal;
    axis.starts[output] = from;
    axis.taps[output] = to - from;
  }
}
