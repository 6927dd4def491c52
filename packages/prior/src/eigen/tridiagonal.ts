/**
 * Householder's reduction of a symmetric matrix to a tridiagonal one, A = Q T Qᵀ, a panel of columns at a time (Dongarra,
 * Hammarling, Sorensen 1989; LAPACK's dsytrd): inside a panel the matrix is only read, after it one product brings it up to
 * date. Half of the work are products; the other half multiplies the matrix with one vector a step, and memory decides its time.
 */
import type { Breath } from '../breath.js';
import { multiply } from '../products.js';

/** Columns a panel: products over twice as many are fast, and the corrections inside a panel are still cheap. */
const PANEL = 32;

/** Reflectors H = I − τ v vᵀ of some columns one after the other, as one: H₀ H₁ … = I − Vᵀ T V. */
export interface Reflectors {
  /** The first row that they touch: v of reflector i is 0 before place i, and 1 there. */
  from: number;
  /** n − from */
  length: number;
  count: number;
  /** V [count, length], one reflector a row. */
  vectors: Float64Array;
  /** T [count, count], upper triangular (Schreiber and Van Loan 1989). */
  triangle: Float64Array;
}

export interface Tridiagonal {
  /** [n] */
  diagonal: Float64Array;
  /** [n]: entry i couples i and i + 1; the last one is 0. */
  offDiagonal: Float64Array;
  /** Q is the product of these, the first one leftmost. */
  reflectors: Reflectors[];
}

/** @param a [n, n], symmetric; used up */
export async function tridiagonalise(a: Float64Array, n: number, breath: Breath): Promise<Tridiagonal> {
  const diagonal = new Float64Array(n);
  const offDiagonal = new Float64Array(n);
  const reflectors: Reflectors[] = [];
  // The matrix that is left, [size, size]; its first row is row `done` of the whole.
  let rest = a;
  for (let done = 0; done < n - 1; ) {
    const size = n - done;
    const count = Math.min(PANEL, size - 1);
    const panel = new Panel(rest, size, count);
    for (let step = 0; step < count; step++) {
      await breath();
      const { own, beta } = panel.reduce(step);
      diagonal[done + step] = own;
      offDiagonal[done + step] = beta;
    }
    rest = await panel.trailing();
    reflectors.push(panel.reflectors(done + 1));
    done += count;
  }
  if (n > 0) diagonal[n - 1] = rest[0]!;
  return { diagonal, offDiagonal, reflectors };
}

/** The first `count` columns of a symmetric matrix on their way to tridiagonal form: A − V Wᵀ − W Vᵀ is the matrix so far. */
class Panel {
  /** [count, size] each, one vector a row. */
  private readonly v: Float64Array;
  private readonly w: Float64Array;
  private readonly factors: Float64Array;

  constructor(
    private readonly a: Float64Array,
    private readonly size: number,
    private readonly count: number,
  ) {
    this.v = new Float64Array(count * size);
    this.w = new Float64Array(count * size);
    this.factors = new Float64Array(count);
  }

  /** Makes the next column tridiagonal. @returns its diagonal entry, and the one beside it */
  reduce(step: number): { own: number; beta: number } {
    const { a, v, w, size } = this;
    const column = a.slice(step * size, (step + 1) * size);
    for (let earlier = 0; earlier < step; earlier++) {
      const start = earlier * size;
      const [vs, ws] = [v[start + step]!, w[start + step]!];
      for (let index = step; index < size; index++)
        column[index] = column[index]! - vs * w[start + index]! - ws * v[start + index]!;
    }
    const u = v.subarray(step * size, (step + 1) * size);
    const p = w.subarray(step * size, (step + 1) * size);
    u.set(column.subarray(step + 1), step + 1);
    const { factor, beta } = reflector(u, step + 1);
    this.factors[step] = factor;
    if (factor !== 0) {
      multiplySymmetric(a, size, step + 1, u, p);
      for (let earlier = 0; earlier < step; earlier++) {
        const start = earlier * size;
        let [alongW, alongV] = [0, 0];
        for (let index = step + 1; index < size; index++) {
          alongW += w[start + index]! * u[index]!;
          alongV += v[start + index]! * u[index]!;
        }
        for (let index = step + 1; index < size; index++)
          p[index] = p[index]! - alongW * v[start + index]! - alongV * w[start + index]!;
      }
      let overlap = 0;
      for (let index = step + 1; index < size; index++) overlap += p[index]! * u[index]!;
      const shift = (factor * factor * overlap) / 2;
      for (let index = step + 1; index < size; index++) p[index] = factor * p[index]! - shift * u[index]!;
    }
    return { own: column[step]!, beta };
  }

  /** What is left behind the panel, brought up to date: [size − count, size − count]. */
  async trailing(): Promise<Float64Array> {
    const { a, v, w, size, count } = this;
    const left = size - count;
    const rest = new Float64Array(left * left);
    const [vw, wv] = [new Float64Array(2 * count * left), new Float64Array(2 * count * left)];
    for (let row = 0; row < left; row++)
      rest.set(a.subarray((count + row) * size + count, (count + row + 1) * size), row * left);
    for (let step = 0; step < count; step++) {
      const [ofV, ofW] = [v, w].map((all) => all.subarray(step * size + count, (step + 1) * size));
      vw.set(ofV!, step * left);
      vw.set(ofW!, (count + step) * left);
      wv.set(ofW!, step * left);
      wv.set(ofV!, (count + step) * left);
    }
    const shape = { rows: 2 * count, columns: left };
    await multiply(
      { data: vw, ...shape },
      { data: wv, ...shape },
      { transposeLeft: true, factor: -1, into: rest, add: true },
    );
    return rest;
  }

  /** @param from row of the whole matrix that the first reflector begins at */
  reflectors(from: number): Reflectors {
    const { v, size, count, factors } = this;
    const length = size - 1;
    const vectors = new Float64Array(count * length);
    for (let step = 0; step < count; step++)
      vectors.set(v.subarray(step * size + 1, (step + 1) * size), step * length);
    const triangle = new Float64Array(count * count);
    const sums = new Float64Array(count);
    for (let step = 0; step < count; step++) {
      const factor = factors[step]!;
      for (let earlier = 0; earlier < step; earlier++) {
        let sum = 0;
        for (let index = step; index < length; index++)
          sum += vectors[earlier * length + index]! * vectors[step * length + index]!;
        sums[earlier] = sum;
      }
      for (let row = 0; row < step; row++) {
        let sum = 0;
        for (let index = row; index < step; index++) sum += triangle[row * count + index]! * sums[index]!;
        triangle[row * count + step] = -factor * sum;
      }
      triangle[step * count + step] = factor;
    }
    return { from, length, count, vectors, triangle };
  }
}

/** Turns x, from place `from` on, into its reflector v, v₀ = 1, with (I − factor·v vᵀ) x = beta e₀ (Golub and Van Loan, 5.1). */
function reflector(x: Float64Array, from: number): { factor: number; beta: number } {
  let tail = 0;
  for (let index = from + 1; index < x.length; index++) tail += x[index]! ** 2;
  const head = x[from]!;
  x[from] = 1;
  if (tail === 0) return { factor: 0, beta: head };
  const norm = Math.sqrt(head * head + tail);
  const beta = head > 0 ? -norm : norm;
  for (let index = from + 1; index < x.length; index++) x[index] = x[index]! / (head - beta);
  return { factor: (beta - head) / beta, beta };
}

/** p = A u over rows and columns from `from` on; reads the upper triangle once, four rows at a time. */
function multiplySymmetric(a: Float64Array, n: number, from: number, u: Float64Array, p: Float64Array): void {
  p.fill(0, from);
  let row = from;
  for (; row + 3 < n; row += 4) {
    const [s0, s1, s2, s3] = [row * n, (row + 1) * n, (row + 2) * n, (row + 3) * n];
    const [u0, u1, u2, u3] = [u[row]!, u[row + 1]!, u[row + 2]!, u[row + 3]!];
    // The 4 × 4 triangle on the diagonal.
    let p0 = a[s0 + row]! * u0 + a[s0 + row + 1]! * u1 + a[s0 + row + 2]! * u2 + a[s0 + row + 3]! * u3;
    let p1 = a[s0 + row + 1]! * u0 + a[s1 + row + 1]! * u1 + a[s1 + row + 2]! * u2 + a[s1 + row + 3]! * u3;
    let p2 = a[s0 + row + 2]! * u0 + a[s1 + row + 2]! * u1 + a[s2 + row + 2]! * u2 + a[s2 + row + 3]! * u3;
    let p3 = a[s0 + row + 3]! * u0 + a[s1 + row + 3]! * u1 + a[s2 + row + 3]! * u2 + a[s3 + row + 3]! * u3;
    for (let column = row + 4; column < n; column++) {
      const a0 = a[s0 + column]!;
      const a1 = a[s1 + column]!;
      const a2 = a[s2 + column]!;
      const a3 = a[s3 + column]!;
      const uc = u[column]!;
      p0 += a0 * uc;
      p1 += a1 * uc;
      p2 += a2 * uc;
      p3 += a3 * uc;
      p[column] = p[column]! + (a0 * u0 + a1 * u1) + (a2 * u2 + a3 * u3);
    }
    p[row] = p[row]! + p0;
    p[row + 1] = p[row + 1]! + p1;
    p[row + 2] = p[row + 2]! + p2;
    p[row + 3] = p[row + 3]! + p3;
  }
  for (; row < n; row++) {
    let sum = a[row * n + row]! * u[row]!;
    for (let column = row + 1; column < n; column++) {
      const value = a[row * n + column]!;
      sum += value * u[column]!;
      p[column] = p[column]! + value * u[row]!;
    }
    p[row] = p[row]! + sum;
  }
}

/** Q · z, z [n, k] in place: the eigenvectors of the matrix from those of its tridiagonal form. */
export async function applyReflectors(
  reflectors: Reflectors[],
  z: Float64Array,
  k: number,
  breath: Breath,
): Promise<void> {
  for (const { from, length, count, vectors, triangle } of [...reflectors].reverse()) {
    await breath();
    const touched = { data: z.subarray(from * k, (from + length) * k), rows: length, columns: k };
    const v = { data: vectors, rows: count, columns: length };
    const along = await multiply(v, touched);
    const turned = await multiply({ data: triangle, rows: count, columns: count }, along);
    await multiply(v, turned, { transposeLeft: true, factor: -1, into: touched.data, add: true });
  }
}
