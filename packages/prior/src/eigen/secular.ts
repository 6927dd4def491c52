/**
 * Eigenpairs of a diagonal matrix plus one of rank one, D + ρ z zᵀ: the roots of 1 + ρ Σ zᵢ² / (dᵢ − λ), one between each two
 * neighbours of d (Golub 1973), and eigenvectors that are orthogonal to rounding however close the roots are (Gu, Eisenstat 1994).
 */

export interface RankOneUpdate {
  /** [n], strictly rising */
  d: Float64Array;
  /** [n], no entry 0 */
  z: Float64Array;
  /** > 0 */
  rho: number;
}

/** Roots by their distance `tau` from the nearer pole d[origin]: differences to poles then keep their digits. */
export interface Roots {
  origin: Uint32Array;
  tau: Float64Array;
}

const MAX_ITERATIONS = 200;

/** λᵢ in rising order; dᵢ < λᵢ < dᵢ₊₁. */
export function secularRoots({ d, z, rho }: RankOneUpdate): Roots {
  const n = d.length;
  const weights = z.map((value) => rho * value * value);
  const total = weights.reduce((sum, value) => sum + value, 0);
  const roots: Roots = { origin: new Uint32Array(n), tau: new Float64Array(n) };
  const differences = new Float64Array(n);
  for (let index = 0; index < n; index++) {
    const isLast = index === n - 1;
    const gap = isLast ? total : d[index + 1]! - d[index]!;
    differencesFrom(d, index, differences);
    // At the middle the function tells in which half the root lies.
    const fromNext = !isLast && evaluate(weights, differences, gap / 2, index).value < 0;
    const origin = fromNext ? index + 1 : index;
    if (fromNext) differencesFrom(d, origin, differences);
    const half = isLast ? gap : gap / 2;
    roots.origin[index] = origin;
    roots.tau[index] = findRoot(
      weights,
      differences,
      index,
      fromNext ? { low: -half, high: 0 } : { low: 0, high: half },
    );
  }
  return roots;
}

function differencesFrom(d: Float64Array, origin: number, differences: Float64Array): void {
  for (let index = 0; index < d.length; index++) differences[index] = d[index]! - d[origin]!;
}

interface Evaluation {
  /** 1 + Σ wᵢ / (δᵢ − τ) */
  value: number;
  /** Σ wᵢ / (δᵢ − τ)² over the poles up to `split`, and over those behind it. */
  slopeBelow: number;
  slopeAbove: number;
  /** Σ of the terms' sizes: what rounding is measured by. */
  size: number;
}

function evaluate(weights: Float64Array, differences: Float64Array, tau: number, split: number): Evaluation {
  let [below, above, slopeBelow, slopeAbove] = [0, 0, 0, 0];
  for (let index = 0; index <= split; index++) {
    const distance = differences[index]! - tau;
    const term = weights[index]! / distance;
    below += term;
    slopeBelow += term / distance;
  }
  for (let index = split + 1; index < weights.length; index++) {
    const distance = differences[index]! - tau;
    const term = weights[index]! / distance;
    above += term;
    slopeAbove += term / distance;
  }
  return { value: 1 + below + above, slopeBelow, slopeAbove, size: 1 + Math.abs(below) + Math.abs(above) };
}

/** The root in the bracket, in which the function rises from −∞ or below 0 to above 0. */
function findRoot(
  weights: Float64Array,
  differences: Float64Array,
  index: number,
  bracket: { low: number; high: number },
): number {
  let { low, high } = bracket;
  let tau = (low + high) / 2;
  for (let iteration = 0; iteration < MAX_ITERATIONS; iteration++) {
    const at = evaluate(weights, differences, tau, index);
    if (Math.abs(at.value) <= Number.EPSILON * at.size) break;
    if (at.value < 0) low = tau;
    else high = tau;
    if (high - low <= Number.EPSILON * Math.max(Math.abs(low), Math.abs(high))) break;
    const next = tau + stepOf(at, differences, tau, index);
    const inside = next > low && next < high;
    const taken = inside ? next : (low + high) / 2;
    if (taken === tau) break;
    tau = taken;
  }
  return tau;
}

/** To the root of a function with the same value and slopes, and the two nearest poles alone ("the middle way", Li 1993). */
function stepOf(at: Evaluation, differences: Float64Array, tau: number, index: number): number {
  const below = differences[index]! - tau;
  const slope = at.slopeBelow + at.slopeAbove;
  if (index === differences.length - 1) {
    const rest = at.value - slope * below;
    return rest > 0 ? below + (slope * below * below) / rest : Number.NaN;
  }
  const above = differences[index + 1]! - tau;
  const c = at.value - below * at.slopeBelow - above * at.slopeAbove;
  const a = (below + above) * at.value - below * above * slope;
  const b = below * above * at.value;
  const root = Math.sqrt(Math.max(0, a * a - 4 * b * c));
  return a <= 0 ? (a - root) / (2 * c) : (2 * b) / (a + root);
}

/** λ of a root. */
export function rootValue({ d }: RankOneUpdate, { origin, tau }: Roots, index: number): number {
  return d[origin[index]!]! + tau[index]!;
}

/** z as it would have to be for the computed roots to be exact: with it the eigenvectors are orthogonal. */
export function fittingZ({ d, z }: RankOneUpdate, { origin, tau }: Roots): Float64Array {
  const n = d.length;
  // Products of ratios near 1, root after root: row by row over d would read the roots' places n times out of order.
  const squares = new Float64Array(n).fill(1);
  for (let root = 0; root < n; root++) {
    const [pole, shift, own] = [d[origin[root]!]!, tau[root]!, d[root]!];
    for (let index = 0; index < n; index++) {
      const distance = d[index]! - pole - shift;
      squares[index] = squares[index]! * (index === root ? -distance : distance / (d[index]! - own));
    }
  }
  return squares.map((square, index) => Math.sign(z[index]!) * Math.sqrt(Math.max(square, 0)));
}

/** Unit eigenvector of a root into `vector` [n]. @param z of `fittingZ` */
export function secularVector(
  { d }: RankOneUpdate,
  z: Float64Array,
  { origin, tau }: Roots,
  index: number,
  vector: Float64Array,
): void {
  const [pole, shift] = [d[origin[index]!]!, tau[index]!];
  let squares = 0;
  for (let place = 0; place < d.length; place++) {
    const value = z[place]! / (d[place]! - pole - shift);
    vector[place] = value;
    squares += value * value;
  }
  const length = Math.sqrt(squares);
  for (let place = 0; place < d.length; place++) vector[place] = vector[place]! / length;
}
