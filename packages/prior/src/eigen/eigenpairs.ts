/**
 * Leading eigenpairs of a symmetric matrix in float64, exact, as LAPACK's dsyevd finds them: Householder's reduction in panels,
 * divide and conquer, and the way back; the products by ONNX Runtime. Our own, since ml-matrix
 * 6.15, the library of this field that is kept, takes about ten times as long for 2048 × 2048.
 */
import type { Breath } from '../breath.js';
import { divideAndConquer } from './divide.js';
import { applyReflectors, tridiagonalise } from './tridiagonal.js';

export interface Eigenpairs {
  /** [k], largest first. */
  values: Float64Array;
  /** [k, m]: unit vectors, one a row. */
  vectors: Float64Array;
}

/** @param matrix [m, m], symmetric and finite; used up */
export async function leadingEigenpairs(
  matrix: Float64Array,
  m: number,
  k: number,
  breath: Breath,
): Promise<Eigenpairs> {
  const largest = matrix.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const scale = largest > 0 ? largest : 1;
  // Around 1, squares neither overflow nor vanish.
  for (let index = 0; index < matrix.length; index++) matrix[index] = matrix[index]! / scale;
  const { diagonal, offDiagonal, reflectors } = await tridiagonalise(matrix, m, breath);
  const rising = await divideAndConquer(diagonal, offDiagonal, k, breath);
  const values = rising.values.map((value) => value * scale).reverse();
  // [m, k], the largest first: the reflections then work on rows that lie together.
  const columns = new Float64Array(m * k);
  for (let index = 0; index < k; index++)
    for (let row = 0; row < m; row++) columns[row * k + index] = rising.vectors[(k - 1 - index) * m + row]!;
  await applyReflectors(reflectors, columns, k, breath);
  const vectors = rising.vectors;
  for (let index = 0; index < k; index++)
    for (let row = 0; row < m; row++) vectors[index * m + row] = columns[row * k + index]!;
  return { values, vectors };
}
