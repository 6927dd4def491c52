/** Sums of products in float64, tiled so that plain JavaScript keeps up with the prior: 66 ms for 1024 rows of 512. */

/** Rows a tile: 3 × 3 sums stay in registers, and six loads serve nine products. */
const TILE = 3;

/** Values of a row that are read before the next tile: six rows of them fit the first-level cache. */
const RUN = 512;

/** The next multiple of a tile's rows: what the row counts of `addProducts` have to be. Rows beyond the data are 0. */
export const paddedRows = (rows: number): number => Math.ceil(rows / TILE) * TILE;

export interface ProductOperands {
  /** [leftRows, length] */
  left: Float64Array;
  leftRows: number;
  /** [rightRows, length] */
  right: Float64Array;
  rightRows: number;
  length: number;
  /** Whether tiles below the diagonal are left out, `right` being `left`. */
  upperOnly: boolean;
}

/** Adds left · rightᵀ to `into` [leftRows, rightRows]. Row counts are multiples of a tile (`paddedRows`). */
export function addProducts(
  { left, leftRows, right, rightRows, length, upperOnly }: ProductOperands,
  into: Float64Array,
): void {
  for (let from = 0; from < length; from += RUN) {
    const run = Math.min(RUN, length - from);
    for (let i = 0; i < leftRows; i += TILE)
      for (let j = upperOnly ? i : 0; j < rightRows; j += TILE)
        addTile(
          left,
          i * length + from,
          right,
          j * length + from,
          length,
          run,
          into,
          i * rightRows + j,
          rightRows,
        );
  }
}

/** Positional parameters: an object a tile would cost more than the tile. */
function addTile(
  left: Float64Array,
  leftStart: number,
  right: Float64Array,
  rightStart: number,
  length: number,
  run: number,
  into: Float64Array,
  at: number,
  stride: number,
): void {
  const [l1, l2] = [leftStart + length, leftStart + 2 * length];
  const [r1, r2] = [rightStart + length, rightStart + 2 * length];
  let s00 = 0;
  let s01 = 0;
  let s02 = 0;
  let s10 = 0;
  let s11 = 0;
  let s12 = 0;
  let s20 = 0;
  let s21 = 0;
  let s22 = 0;
  for (let index = 0; index < run; index++) {
    const x = left[leftStart + index]!;
    const y = left[l1 + index]!;
    const z = left[l2 + index]!;
    const p = right[rightStart + index]!;
    const q = right[r1 + index]!;
    const r = right[r2 + index]!;
    s00 += x * p;
    s01 += x * q;
    s02 += x * r;
    s10 += y * p;
    s11 += y * q;
    s12 += y * r;
    s20 += z * p;
    s21 += z * q;
    s22 += z * r;
  }
  into[at] = into[at]! + s00;
  into[at + 1] = into[at + 1]! + s01;
  into[at + 2] = into[at + 2]! + s02;
  into[at + stride] = into[at + stride]! + s10;
  into[at + stride + 1] = into[at + stride + 1]! + s11;
  into[at + stride + 2] = into[at + stride + 2]! + s12;
  into[at + 2 * stride] = into[at + 2 * stride]! + s20;
  into[at + 2 * stride + 1] = into[at + 2 * stride + 1]! + s21;
  into[at + 2 * stride + 2] = into[at + 2 * stride + 2]! + s22;
}
