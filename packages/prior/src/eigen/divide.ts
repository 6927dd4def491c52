/**
 * Eigenpairs of a symmetric tridiagonal matrix by divide and conquer (Cuppen 1981; LAPACK's dstedc): two halves and a matrix of
 * rank one between them. Its work is in products of matrices, and falls where eigenvalues coincide.
 */
import type { Breath } from '../breath.js';
import { multiply } from '../products.js';
import { diagonalise } from './implicit-ql.js';
import { fittingZ, type RankOneUpdate, rootValue, secularRoots, secularVector } from './secular.js';

export interface RisingPairs {
  /** [count], rising */
  values: Float64Array;
  /** [count, n]: unit eigenvectors, one a row. */
  vectors: Float64Array;
}

/** Up to this size QL is as fast. */
const SMALL = 32;

/**
 * The `wanted` largest.
 * @param diagonal [n], used up
 * @param offDiagonal [n], entry i couples i and i + 1; used up
 */
export async function divideAndConquer(
  diagonal: Float64Array,
  offDiagonal: Float64Array,
  wanted: number,
  breath: Breath,
): Promise<RisingPairs> {
  await breath();
  const n = diagonal.length;
  if (n <= SMALL) return sorted(diagonal, diagonalise(diagonal, offDiagonal), wanted);
  const half = n >> 1;
  const coupling = offDiagonal[half - 1]!;
  offDiagonal[half - 1] = 0;
  // T is the halves less |β| at the seam, plus |β| v vᵀ, v = (…, 0, 1, ±1, 0, …).
  diagonal[half - 1] = diagonal[half - 1]! - Math.abs(coupling);
  diagonal[half] = diagonal[half]! - Math.abs(coupling);
  const upper = await divideAndConquer(
    diagonal.subarray(0, half),
    offDiagonal.subarray(0, half),
    half,
    breath,
  );
  const lower = await divideAndConquer(diagonal.subarray(half), offDiagonal.subarray(half), n - half, breath);
  return conquer(upper, lower, coupling, wanted, breath);
}

function sorted(values: Float64Array, vectors: Float64Array, wanted: number): RisingPairs {
  const n = values.length;
  const order = [...values.keys()].sort((i, j) => values[i]! - values[j]! || i - j).slice(n - wanted);
  const rows = new Float64Array(wanted * n);
  for (const [row, from] of order.entries()) rows.set(vectors.subarray(from * n, (from + 1) * n), row * n);
  return { values: Float64Array.from(order, (from) => values[from]!), vectors: rows };
}

/** An eigenvector of the two halves: null where it is 0 in all of one. */
interface SplitRow {
  upper: Float64Array | null;
  lower: Float64Array | null;
}

/** What of the halves takes part in the update of rank one, and what is an eigenpair of the whole already. */
interface Deflated {
  update: RankOneUpdate;
  moving: SplitRow[];
  settled: { value: number; row: SplitRow }[];
}

async function conquer(
  upper: RisingPairs,
  lower: RisingPairs,
  coupling: number,
  wanted: number,
  breath: Breath,
): Promise<RisingPairs> {
  const [upperSize, lowerSize] = [upper.values.length, lower.values.length];
  const n = upperSize + lowerSize;
  const { update, moving, settled } = deflate(upper, lower, coupling);
  await breath();
  const roots = secularRoots(update);
  const fitting = fittingZ(update, roots);
  const all = [
    ...settled.map(({ value, row }) => ({ value, row, root: -1 })),
    ...moving.map((row, root) => ({ value: rootValue(update, roots, root), row, root })),
  ].sort((one, other) => one.value - other.value);
  const taken = all.slice(n - wanted);
  const turned = taken.filter(({ root }) => root >= 0);

  await breath();
  const turns = {
    upper: mixOf(moving, 'upper', turned.length),
    lower: mixOf(moving, 'lower', turned.length),
  };
  const vector = new Float64Array(moving.length);
  for (const [row, { root }] of turned.entries()) {
    secularVector(update, fitting, roots, root, vector);
    for (const { places, shares } of [turns.upper, turns.lower])
      for (let index = 0; index < places.length; index++)
        shares[row * places.length + index] = vector[places[index]!]!;
  }
  const upperRows = await mix(turns.upper, moving, 'upper', turned.length, upperSize);
  const lowerRows = await mix(turns.lower, moving, 'lower', turned.length, lowerSize);

  const vectors = new Float64Array(wanted * n);
  let mixed = 0;
  for (const [at, { root, row }] of taken.entries()) {
    const [first, second] =
      root < 0
        ? [row.upper, row.lower]
        : [rowOf(upperRows, upperSize, mixed), rowOf(lowerRows, lowerSize, mixed++)];
    if (first) vectors.set(first, at * n);
    if (second) vectors.set(second, at * n + upperSize);
  }
  return { values: Float64Array.from(taken, ({ value }) => value), vectors };
}

const rowOf = (rows: Float64Array, width: number, row: number) =>
  rows.subarray(row * width, (row + 1) * width);

type Side = keyof SplitRow;

/** Shares [rows, places] of the old vectors in the new ones, for those that are not 0 on this side. */
function mixOf(moving: SplitRow[], side: Side, rows: number): { places: number[]; shares: Float64Array } {
  const places = [...moving.keys()].filter((place) => moving[place]![side] !== null);
  return { places, shares: new Float64Array(rows * places.length) };
}

/** The new vectors' part on this side: [rows, width]. */
async function mix(
  { places, shares }: ReturnType<typeof mixOf>,
  moving: SplitRow[],
  side: Side,
  rows: number,
  width: number,
): Promise<Float64Array> {
  const old = new Float64Array(places.length * width);
  for (const [index, place] of places.entries()) old.set(moving[place]![side]!, index * width);
  const product = await multiply(
    { data: shares, rows, columns: places.length },
    { data: old, rows: places.length, columns: width },
  );
  return product.data;
}

/**
 * Sets aside the eigenpairs that the coupling does not move by more than rounding: those that it hardly touches, and one of
 * each two that are so close that a rotation keeps one of them out of it (Cuppen; Dongarra, Sorensen 1987; LAPACK's dlaed2).
 */
function deflate(upper: RisingPairs, lower: RisingPairs, coupling: number): Deflated {
  const [upperSize, lowerSize] = [upper.values.length, lower.values.length];
  const n = upperSize + lowerSize;
  const d = new Float64Array(n);
  d.set(upper.values);
  d.set(lower.values, upperSize);
  const z = new Float64Array(n);
  const rows: SplitRow[] = [];
  for (let row = 0; row < upperSize; row++) {
    rows.push({ upper: rowOf(upper.vectors, upperSize, row), lower: null });
    z[row] = upper.vectors[(row + 1) * upperSize - 1]! * Math.SQRT1_2;
  }
  for (let row = 0; row < lowerSize; row++) {
    rows.push({ upper: null, lower: rowOf(lower.vectors, lowerSize, row) });
    z[upperSize + row] = lower.vectors[row * lowerSize]! * Math.SQRT1_2 * (coupling < 0 ? -1 : 1);
  }
  const rho = 2 * Math.abs(coupling);
  const largest = (values: Float64Array) =>
    values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const tolerance = 8 * Number.EPSILON * Math.max(largest(d), largest(z));
  const order = [...d.keys()].sort((i, j) => d[i]! - d[j]! || i - j);
  const kept: number[] = [];
  const settled: Deflated['settled'] = [];
  const settle = (index: number) => settled.push({ value: d[index]!, row: rows[index]! });
  for (const index of order) {
    if (rho * Math.abs(z[index]!) <= tolerance) {
      settle(index);
      continue;
    }
    const before = kept.at(-1);
    if (before !== undefined) {
      const length = Math.hypot(z[index]!, z[before]!);
      const [c, s] = [z[index]! / length, -z[before]! / length];
      if (Math.abs((d[index]! - d[before]!) * c * s) <= tolerance) {
        z[index] = length;
        rotate(rows[before]!, rows[index]!, c, s, upperSize, lowerSize);
        const [first, second] = [d[before]!, d[index]!];
        d[before] = first * c * c + second * s * s;
        d[index] = first * s * s + second * c * c;
        settle(before);
        kept.pop();
      }
    }
    kept.push(index);
  }
  return {
    update: {
      d: Float64Array.from(kept, (index) => d[index]!),
      z: Float64Array.from(kept, (index) => z[index]!),
      rho,
    },
    moving: kept.map((index) => rows[index]!),
    settled,
  };
}

/** (x, y) ← (c x + s y, c y − s x) */
function rotate(x: SplitRow, y: SplitRow, c: number, s: number, upperSize: number, lowerSize: number): void {
  for (const [side, size] of [
    ['upper', upperSize],
    ['lower', lowerSize],
  ] as const) {
    if (x[side] === null && y[side] === null) continue;
    const first = x[side] ?? new Float64Array(size);
    const second = y[side] ?? new Float64Array(size);
    x[side] = first;
    y[side] = second;
    for (let index = 0; index < size; index++) {
      const a = first[index]!;
      const b = second[index]!;
      first[index] = c * a + s * b;
      second[index] = c * b - s * a;
    }
  }
}
