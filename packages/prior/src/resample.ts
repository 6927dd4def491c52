/**
 * Bilinear resampling of an axis with antialiasing, as Pillow and torchvision do it: when it shrinks, the triangle widens
 * with the scale, so that every source pixel counts. Priors were trained on images resized in this way.
 */

/** How each output position is made of source positions. */
export interface Taps {
  /** First source position of each output position. */
  first: Int32Array;
  /** Number of source positions that each output position reads. */
  count: Int32Array;
  /** [outputs, stride]: their weights, which sum to 1. */
  weights: Float32Array;
  stride: number;
}

/**
 * @param source length of the axis before
 * @param resized length of the axis after
 * @param from first output position that is kept (a crop)
 * @param kept number of output positions that are kept
 */
export function triangleTaps(source: number, resized: number, from: number, kept: number): Taps {
  const scale = source / resized;
  const support = Math.max(scale, 1);
  const stride = Math.ceil(support) * 2 + 1;
  const taps: Taps = {
    first: new Int32Array(kept),
    count: new Int32Array(kept),
    weights: new Float32Array(kept * stride),
    stride,
  };
  for (let index = 0; index < kept; index++) {
    const centre = (from + index + 0.5) * scale;
    const first = Math.max(Math.floor(centre - support + 0.5), 0);
    const end = Math.min(Math.floor(centre + support + 0.5), source);
    const raw = Array.from({ length: end - first }, (_, tap) =>
      Math.max(0, 1 - Math.abs(first + tap - centre + 0.5) / support),
    );
    const sum = raw.reduce((total, weight) => total + weight, 0);
    taps.first[index] = first;
    taps.count[index] = raw.length;
    for (const [tap, weight] of raw.entries()) taps.weights[index * stride + tap] = weight / sum;
  }
  return taps;
}

/**
 * The horizontal pass: rows `top` to `bottom` of bytes [h, width, channels] become floats [bottom − top, kept, channels].
 */
export function resampleColumns(
  source: Uint8Array,
  { width, channels, top, bottom }: { width: number; channels: 1 | 3; top: number; bottom: number },
  { first, count, weights, stride }: Taps,
  into: Float32Array,
): void {
  const kept = first.length;
  let at = 0;
  for (let row = top; row < bottom; row++) {
    const rowStart = row * width * channels;
    for (let column = 0; column < kept; column++) {
      let from = rowStart + first[column]! * channels;
      const weight = column * stride;
      const end = weight + count[column]!;
      // Colours side by side: a third loop over channels takes two and a half times as long.
      if (channels === 3) {
        let red = 0;
        let green = 0;
        let blue = 0;
        for (let tap = weight; tap < end; tap++) {
          const share = weights[tap]!;
          red += share * source[from]!;
          green += share * source[from + 1]!;
          blue += share * source[from + 2]!;
          from += 3;
        }
        into[at] = red;
        into[at + 1] = green;
        into[at + 2] = blue;
        at += 3;
      } else {
        let grey = 0;
        for (let tap = weight; tap < end; tap++) grey += weights[tap]! * source[from++]!;
        into[at++] = grey;
      }
    }
  }
}

/** The vertical pass for one output row: `into` [rowLength] becomes the weighted sum of rows of `source`, whose first row is `top`. */
export function resampleRow(
  source: Float32Array,
  { top, rowLength, row }: { top: number; rowLength: number; row: number },
  { first, count, weights, stride }: Taps,
  into: Float32Array,
): void {
  const start = (first[row]! - top) * rowLength;
  const taps = count[row]!;
  const initial = weights[row * stride]!;
  for (let index = 0; index < rowLength; index++) into[index] = initial * source[start + index]!;
  for (let tap = 1; tap < taps; tap++) {
    const weight = weights[row * stride + tap]!;
    const from = start + tap * rowLength;
    for (let index = 0; index < rowLength; index++)
      into[index] = into[index]! + weight * source[from + index]!;
  }
}
