/**
 * Householder's reduction of a symmetric matrix to a tridiagonal one, A = Q T Qᵀ (Golub and Van Loan, Matrix Computations,
 * 8.3.1). The rank-two update of a step and the product of the next one share one pass over the matrix: memory decides the time.
 */

import type { Breath } from '../breath.js';

export interface Tridiagonal {
  /** [n] */
  diagonal: Float64Array;
  /** [n]: entry i couples i and i + 1; the last one is 0. */
  offDiagonal: Float64Array;
  /** Q [n, n]; the matrix that was given is used up. */
  basis: Float64Array;
}

/** @param a [n, n], symmetric; its upper triangle is read, all of it is overwritten */
export async function tridiagonalise(a: Float64Array, n: number, breath: Breath): Promise<Tridiagonal> {
  const diagonal = new Float64Array(n);
  const offDiagonal = new Float64Array(n);
  const factors = new Float64Array(n);
  // Of the step before (v, w) and of this one (u, p); entries below the step's own range are stale.
  let v = new Float64Array(n);
  let w = new Float64Array(n);
  let u = new Float64Array(n);
  let p = new Float64Array(n);
  for (let step = 0; step < n; step++) {
    await breath();
    const row = step * n;
    if (step > 0) updateRow(a, row, step, n, v, w);
    diagonal[step] = a[row + step]!;
    if (step === n - 1) break;
    const { factor, beta } = reflector(a, row + step + 1, n - step - 1);
    factors[step] = factor;
    offDiagonal[step] = beta;
    u.set(a.subarray(row + step + 1, row + n), step + 1);
    p.fill(0, step + 1);
    multiplyUpdated(a, n, step, { v, w, u, p });
    let overlap = 0;
    for (let index = step + 1; index < n; index++) overlap += p[index]! * u[index]!;
    const shift = (factor * factor * overlap) / 2;
    for (let index = step + 1; index < n; index++) p[index] = factor * p[index]! - shift * u[index]!;
    [v, u] = [u, v];
    [w, p] = [p, w];
  }
  return { diagonal, offDiagonal, basis: await formBasis(a, factors, n, breath) };
}

/** Takes v wᵀ + w vᵀ off one row, from its diagonal on. */
function updateRow(
  a: Float64Array,
  row: number,
  from: number,
  n: number,
  v: Float64Array,
  w: Float64Array,
): void {
  const vr = v[from]!;
  const wr = w[from]!;
  for (let index = from; index < n; index++)
    a[row + index] = a[row + index]! - vr * w[index]! - wr * v[index]!;
}

/** Turns the vector into its reflector v, v₀ = 1, with (I − factor·v vᵀ) x = beta e₀. */
function reflector(a: Float64Array, start: number, length: number): { factor: number; beta: number } {
  let tail = 0;
  for (let index = 1; index < length; index++) tail += a[start + index]! ** 2;
  const head = a[start]!;
  a[start] = 1;
  if (tail === 0) return { factor: 0, beta: head };
  const norm = Math.sqrt(head * head + tail);
  const beta = head > 0 ? -norm : norm;
  for (let index = 1; index < length; index++) a[start + index] = a[start + index]! / (head - beta);
  return { factor: (beta - head) / beta, beta };
}

interface Vectors {
  v: Float64Array;
  w: Float64Array;
  u: Float64Array;
  p: Float64Array;
}

/** Updates the trailing matrix by the step before and multiplies it with u into p, in one pass over its upper triangle. */
function multiplyUpdated(a: Float64Array, n: number, step: number, { v, w, u, p }: Vectors): void {
  for (let row = step + 1; row < n; row++) {
    const start = row * n;
    // The step before reached one row and column further, which the first step has none of.
    const vr = step > 0 ? v[row]! : 0;
    const wr = step > 0 ? w[row]! : 0;
    const ur = u[row]!;
    const own = a[start + row]! - 2 * vr * wr;
    a[start + row] = own;
    let sum = own * ur;
    for (let column = row + 1; column < n; column++) {
      const value = a[start + column]! - vr * w[column]! - wr * v[column]!;
      a[start + column] = value;
      sum += value * u[column]!;
      p[column] = p[column]! + value * ur;
    }
    p[row] = p[row]! + sum;
  }
}

/** Q = H₀ H₁ … from the reflectors in the rows of `a`, in place from the last one on. */
async function formBasis(
  a: Float64Array,
  factors: Float64Array,
  n: number,
  breath: Breath,
): Promise<Float64Array> {
  const basis = new Float64Array(n * n);
  const sums = new Float64Array(n);
  for (let index = 0; index < n; index++) basis[index * n + index] = 1;
  for (let step = n - 2; step >= 0; step--) {
    await breath();
    const factor = factors[step]!;
    if (factor === 0) continue;
    const from = step + 1;
    const reflection = a.subarray(step * n, step * n + n);
    sums.fill(0, from);
    for (let row = from; row < n; row++) {
      const share = reflection[row]!;
      const start = row * n;
      for (let column = from; column < n; column++)
        sums[column] = sums[column]! + share * basis[start + column]!;
    }
    for (let row = from; row < n; row++) {
      const share = factor * reflection[row]!;
      const start = row * n;
      for (let column = from; column < n; column++)
        basis[start + column] = basis[start + column]! - share * sums[column]!;
    }
  }
  return basis;
}
