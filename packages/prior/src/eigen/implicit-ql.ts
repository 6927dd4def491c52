/**
 * Eigenvalues and eigenvectors of a symmetric tridiagonal matrix by QL with implicit shifts (EISPACK's tql2; Bowdler, Martin,
 * Reinsch, Wilkinson 1968). The rotations of several sweeps are kept and applied to a few rows of the basis at a time, which
 * then stay in the cache: the plain order walks through the whole basis once a sweep.
 */
import type { Breath } from '../breath.js';
import type { Tridiagonal } from './tridiagonal.js';

/** Sweeps whose rotations are kept. */
const SWEEPS = 32;

/** Two or three are usual. */
const MAX_SWEEPS_A_VALUE = 60;

/** One sweep turns columns `last` + 1 and `last`, then the pair below, down to `first`. */
interface Sweep {
  first: number;
  last: number;
}

/** Rotations that wait for the basis. */
class PendingRotations {
  private readonly sweeps: Sweep[] = [];
  /** [SWEEPS, n]: cosine and sine of the rotation of columns i and i + 1, at place i of its sweep. */
  private readonly cosines: Float64Array;
  private readonly sines: Float64Array;

  constructor(
    private readonly basis: Float64Array,
    private readonly n: number,
  ) {
    this.cosines = new Float64Array(SWEEPS * n);
    this.sines = new Float64Array(SWEEPS * n);
  }

  /** Begins a sweep from `last` on; `push` extends it downwards. */
  begin(last: number): void {
    if (this.sweeps.length === SWEEPS) this.apply();
    this.sweeps.push({ first: last + 1, last });
  }

  push(place: number, cosine: number, sine: number): void {
    const index = this.sweeps.length - 1;
    this.sweeps[index]!.first = place;
    this.cosines[index * this.n + place] = cosine;
    this.sines[index * this.n + place] = sine;
  }

  apply(): void {
    const { n, basis } = this;
    let row = 0;
    for (; row + 3 < n; row += 4)
      for (const [index, sweep] of this.sweeps.entries()) this.turnFourRows(basis, row * n, index * n, sweep);
    for (; row < n; row++)
      for (const [index, sweep] of this.sweeps.entries()) this.turnRow(basis, row * n, index * n, sweep);
    this.sweeps.length = 0;
  }

  /** Four chains of dependent products at once keep the processor busy. */
  private turnFourRows(z: Float64Array, start: number, at: number, { first, last }: Sweep): void {
    const { cosines, sines, n } = this;
    const [r1, r2, r3] = [start + n, start + 2 * n, start + 3 * n];
    let h0 = z[start + last + 1]!;
    let h1 = z[r1 + last + 1]!;
    let h2 = z[r2 + last + 1]!;
    let h3 = z[r3 + last + 1]!;
    for (let place = last; place >= first; place--) {
      const c = cosines[at + place]!;
      const s = sines[at + place]!;
      const z0 = z[start + place]!;
      const z1 = z[r1 + place]!;
      const z2 = z[r2 + place]!;
      const z3 = z[r3 + place]!;
      z[start + place + 1] = s * z0 + c * h0;
      z[r1 + place + 1] = s * z1 + c * h1;
      z[r2 + place + 1] = s * z2 + c * h2;
      z[r3 + place + 1] = s * z3 + c * h3;
      h0 = c * z0 - s * h0;
      h1 = c * z1 - s * h1;
      h2 = c * z2 - s * h2;
      h3 = c * z3 - s * h3;
    }
    z[start + first] = h0;
    z[r1 + first] = h1;
    z[r2 + first] = h2;
    z[r3 + first] = h3;
  }

  private turnRow(z: Float64Array, start: number, at: number, { first, last }: Sweep): void {
    let carried = z[start + last + 1]!;
    for (let place = last; place >= first; place--) {
      const c = this.cosines[at + place]!;
      const s = this.sines[at + place]!;
      const own = z[start + place]!;
      z[start + place + 1] = s * own + c * carried;
      carried = c * own - s * carried;
    }
    z[start + first] = carried;
  }
}

/**
 * Turns the diagonal into the eigenvalues, in no order, and column i of the basis into the unit eigenvector of value i.
 * Values are exact to rounding of the largest one.
 * @throws RangeError where it does not converge, which finite matrices do
 */
export async function diagonalise(
  { diagonal: d, offDiagonal: e, basis }: Tridiagonal,
  breath: Breath,
): Promise<void> {
  const n = d.length;
  const rotations = new PendingRotations(basis, n);
  const norm = d.reduce((most, value, index) => Math.max(most, Math.abs(value) + Math.abs(e[index]!)), 0);
  const negligible = Number.EPSILON * norm;
  for (let low = 0; low < n; low++) {
    await breath();
    for (let sweeps = 0; ; sweeps++) {
      let high = low;
      while (high < n - 1 && Math.abs(e[high]!) > negligible) high++;
      if (high === low) break;
      if (sweeps === MAX_SWEEPS_A_VALUE)
        throw new RangeError(`Eigenvalue ${low} of ${n} did not converge in ${MAX_SWEEPS_A_VALUE} sweeps.`);
      sweep(d, e, low, high, rotations);
    }
  }
  rotations.apply();
}

/** One QL sweep over the block from `low` to `high`, shifted by Wilkinson's rule. */
function sweep(
  d: Float64Array,
  e: Float64Array,
  low: number,
  high: number,
  rotations: PendingRotations,
): void {
  const half = (d[low + 1]! - d[low]!) / (2 * e[low]!);
  const root = Math.sqrt(half * half + 1);
  let g = d[high]! - d[low]! + e[low]! / (half + (half < 0 ? -root : root));
  let s = 1;
  let c = 1;
  let p = 0;
  rotations.begin(high - 1);
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
    rotations.push(place, c, s);
  }
  d[low] = d[low]! - p;
  e[low] = g;
  e[high] = 0;
}
