/**
 * Eigenvalues and eigenvectors of a small symmetric tridiagonal matrix by QL with implicit shifts (EISPACK's tql2; Bowdler,
 * Martin, Reinsch, Wilkinson 1968).
 */

/** Two or three are usual. */
const MAX_SWEEPS_A_VALUE = 60;

/**
 * @param d diagonal [n], becomes the eigenvalues, in no order. They are exact to rounding of the largest one
 * @param e off-diagonal, entry i couples i and i + 1; used up
 * @returns [n, n]: unit eigenvectors, one a row
 * @throws RangeError where it does not converge, which finite matrices do
 */
export function diagonalise(d: Float64Array, e: Float64Array): Float64Array {
  const n = d.length;
  const rows = new Float64Array(n * n);
  for (let index = 0; index < n; index++) rows[index * n + index] = 1;
  const norm = d.reduce((most, value, index) => Math.max(most, Math.abs(value) + Math.abs(e[index]!)), 0);
  const negligible = Number.EPSILON * norm;
  for (let low = 0; low < n; low++)
    for (let sweeps = 0; ; sweeps++) {
      let high = low;
      while (high < n - 1 && Math.abs(e[high]!) > negligible) high++;
      if (high === low) break;
      if (sweeps === MAX_SWEEPS_A_VALUE)
        throw new RangeError(`Eigenvalue ${low} of ${n} did not converge in ${MAX_SWEEPS_A_VALUE} sweeps.`);
      sweep(d, e, low, high, rows);
    }
  return rows;
}

/** One QL sweep over the block from `low` to `high`, shifted by Wilkinson's rule. */
function sweep(d: Float64Array, e: Float64Array, low: number, high: number, rows: Float64Array): void {
  const half = (d[low + 1]! - d[low]!) / (2 * e[low]!);
  const root = Math.sqrt(half * half + 1);
  let g = d[high]! - d[low]! + e[low]! / (half + (half < 0 ? -root : root));
  let s = 1;
  let c = 1;
  let p = 0;
  for (let place = high - 1; place >= low; place--) {
    const f = s * e[place]!;
    const b = c * e[place]!;
    const r = Math.sqrt(f * f + g * g);
    e[place + 1] = r;
    if (r === 0) {
      // The block falls apart here: what is left is a new block.
      d[place + 1] = d[place + 1]! - p;
      e[high] = 0;
      return;
    }
    s = f / r;
    c = g / r;
    g = d[place + 1]! - p;
    const t = (d[place]! - g) * s + 2 * c * b;
    p = s * t;
    d[place + 1] = g + p;
    g = c * t - b;
    turnRows(rows, d.length, place, c, s);
  }
  d[low] = d[low]! - p;
  e[low] = g;
  e[high] = 0;
}

/** Turns rows `place` and `place` + 1 into each other. */
function turnRows(rows: Float64Array, n: number, place: number, c: number, s: number): void {
  const start = place * n;
  for (let index = start; index < start + n; index++) {
    const own = rows[index]!;
    const next = rows[index + n]!;
    rows[index + n] = s * own + c * next;
    rows[index] = c * own - s * next;
  }
}
