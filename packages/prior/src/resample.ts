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
 * The horizontal pass: rows `top` to `bottom` of bytes [h, width, channels] become floats [bottom − top, channels, kept]. Colours
 * lie apart from here on, so that what follows reads and writes runs of memory.
 */
export function resampleColumns(
  source: Uint8Array,
  { width, channels, top, bottom }: { width: number; channels: 1 | 3; top: number; bottom: number },
  taps: Taps,
  into: Float32Array,
): void {
  if (channels === 3) narrowColour(source, { width, top, bottom }, taps, into);
  else narrowGrey(source, { width, top, bottom }, taps, into);
}

/** Two taps a turn: half the loop's own work, in the same order of sums. */
function narrowColour(
  source: Uint8Array,
  { width, top, bottom }: { width: number; top: number; bottom: number },
  { first, count, weights, stride }: Taps,
  into: Float32Array,
): void {
  const kept = first.length;
  for (let row = top; row < bottom; row++) {
    const rowStart = row * width;
    const start = (row - top) * 3 * kept;
    for (let column = 0; column < kept; column++) {
      let from = (rowStart + first[column]!) * 3;
      let tap = column * stride;
      const end = tap + count[column]!;
      let red = 0;
      let green = 0;
      let blue = 0;
      for (; tap + 1 < end; tap += 2) {
        const share = weights[tap]!;
        const next = weights[tap + 1]!;
        red = red + share * source[from]! + next * source[from + 3]!;
        green = green + share * source[from + 1]! + next * source[from + 4]!;
        blue = blue + share * source[from + 2]! + next * source[from + 5]!;
        from += 6;
      }
      if (tap < end) {
        const share = weights[tap]!;
        red += share * source[from]!;
        green += share * source[from + 1]!;
        blue += share * source[from + 2]!;
      }
      const at = start + column;
      into[at] = red;
      into[at + kept] = green;
      into[at + 2 * kept] = blue;
    }
  }
}

function narrowGrey(
  source: Uint8Array,
  { width, top, bottom }: { width: number; top: number; bottom: number },
  { first, count, weights, stride }: Taps,
  into: Float32Array,
): void {
  const kept = first.length;
  let at = 0;
  for (let row = top; row < bottom; row++)
    for (let column = 0; column < kept; column++) {
      let from = row * width + first[column]!;
      let tap = column * stride;
      const end = tap + count[column]!;
      let grey = 0;
      for (; tap < end; tap++) grey += weights[tap]! * source[from++]!;
      into[at++] = grey;
    }
}

/**
 * The vertical pass for one output row: `into` [rowLength] becomes the weighted sum of rows of `source`, whose first row is `top`.
 * Sums are rounded to float32 after every tap, whether they stay in a register until the next or not.
 */
export function resampleRow(
  source: Float32Array,
  { top, rowLength, row }: { top: number; rowLength: number; row: number },
  { first, count, weights, stride }: Taps,
  into: Float32Array,
): void {
  const { fround } = Math;
  let from = (first[row]! - top) * rowLength;
  let tap = row * stride;
  const end = tap + count[row]!;
  into.fill(0, 0, rowLength);
  for (; tap + 1 < end; tap += 2) {
    const share = weights[tap]!;
    const next = weights[tap + 1]!;
    const below = from + rowLength;
    for (let index = 0; index < rowLength; index++)
      into[index] = fround(into[index]! + share * source[from + index]!) + next * source[below + index]!;
    from = below + rowLength;
  }
  if (tap === end) return;
  const share = weights[tap]!;
  for (let index = 0; index < rowLength; index++) into[index] = into[index]! + share * source[from + index]!;
}
