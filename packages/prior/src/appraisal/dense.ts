/** Small dense algebra in float64 for samples of a thousand images: products of rows, and a symmetric solve. */
import { multiply } from '../products.js';

/** left · rightᵀ as [leftRows, rightRows]. @param left [leftRows, length] @param right [rightRows, length] */
export async function times(
  left: Float64Array,
  leftRows: number,
  right: Float64Array,
  rightRows: number,
  length: number,
): Promise<Float64Array> {
  const { data } = await multiply(
    { data: left, rows: leftRows, columns: length },
    { data: right, rows: rightRows, columns: length },
    { transposeRight: true },
  );
  return data;
}

/** [columns, rows] of [rows, columns]. */
export function transposed(values: Float64Array, rows: number, columns: number): Float64Array {
  const turned = new Float64Array(values.length);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++)
      turned[column * rows + row] = values[row * columns + column]!;
  return turned;
}

/**
 * X of A · X = B by Cholesky's factors, as [a, b]. `matrix` [a, a] is symmetric and positive definite and is used up, as is `right`
 * [a, b].
 */
export function solve(matrix: Float64Array, a: number, right: Float64Array, b: number): Float64Array {
  for (let column = 0; column < a; column++) {
    let pivot = matrix[column * a + column]!;
    for (let at = 0; at < column; at++) pivot -= matrix[column * a + at]! ** 2;
    const root = Math.sqrt(pivot);
    matrix[column * a + column] = root;
    for (let row = column + 1; row < a; row++) {
      let value = matrix[row * a + column]!;
      for (let at = 0; at < column; at++) value -= matrix[row * a + at]! * matrix[column * a + at]!;
      matrix[row * a + column] = value / root;
    }
  }
  const subtract = (row: number, other: number, factor: number) => {
    for (let at = 0; at < b; at++)
      right[row * b + at] = right[row * b + at]! - factor * right[other * b + at]!;
  };
  const divide = (row: number) => {
    for (let at = 0; at < b; at++) right[row * b + at] = right[row * b + at]! / matrix[row * a + row]!;
  };
  for (let row = 0; row < a; row++) {
    for (let other = 0; other < row; other++) subtract(row, other, matrix[row * a + other]!);
    divide(row);
  }
  for (let row = a - 1; row >= 0; row--) {
    for (let other = row + 1; other < a; other++) subtract(row, other, matrix[other * a + row]!);
    divide(row);
  }
  return right;
}
