/** Leading eigenvectors of a symmetric matrix in float64. */
import { EigenvalueDecomposition, Matrix } from 'ml-matrix';

export interface Eigenpairs {
  /** [k], largest first. */
  values: Float64Array;
  /** [k, m]: unit vectors, one a row. */
  vectors: Float64Array;
}

/** @param matrix [m, m], symmetric */
export function leadingEigenpairs(matrix: Float64Array, m: number, k: number): Eigenpairs {
  const rows = Array.from({ length: m }, (_, row) => matrix.subarray(row * m, (row + 1) * m));
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(new Matrix(rows), {
    assumeSymmetric: true,
  });
  const order = realEigenvalues
    .map((_, index) => index)
    .sort((a, b) => realEigenvalues[b]! - realEigenvalues[a]!);
  const pairs: Eigenpairs = { values: new Float64Array(k), vectors: new Float64Array(k * m) };
  for (let index = 0; index < k; index++) {
    pairs.values[index] = realEigenvalues[order[index]!]!;
    pairs.vectors.set(eigenvectorMatrix.getColumn(order[index]!), index * m);
  }
  return pairs;
}
