/**
 * How far one representation is from another after the best linear transport: E ‖W a(x) − b(x)‖² / E ‖b(x)‖², the least over W
 * (arXiv 2405.14669, Definition 4, per unit of b), on images that W was not fitted to. 0: a tells all of b; 1: nothing.
 */
import { solve, times, transposed } from './dense.js';

/** Of a standardised feature's variance. Keeps W from fitting the noise where features are nearly as many as images. */
const RIDGE = 0.1;

/**
 * Fitted on every other image, measured on those between; then the other way round.
 * @param from [n, p], every dimension of mean 0 and variance 1 or 0 @param to [n, q], of mean 0
 */
export async function transportDistance(
  from: Float64Array,
  to: Float64Array,
  count: number,
): Promise<number> {
  return ((await heldOut(from, to, count, 0)) + (await heldOut(from, to, count, 1))) / 2;
}

async function heldOut(from: Float64Array, to: Float64Array, count: number, parity: number): Promise<number> {
  const [p, q] = [from.length / count, to.length / count];
  const part = (rows: Float64Array, width: number, wanted: number) => {
    const kept = [...Array(count).keys()].filter((row) => row % 2 === wanted);
    const half = new Float64Array(kept.length * width);
    for (const [at, row] of kept.entries())
      half.set(rows.subarray(row * width, (row + 1) * width), at * width);
    return half;
  };
  const fitted = part(from, p, parity);
  const images = fitted.length / p;
  const features = transposed(fitted, images, p);
  const moments = await times(features, p, features, p, images);
  for (let index = 0; index < p; index++) moments[index * p + index]! += RIDGE * images;
  const wanted = transposed(part(to, q, parity), images, q);
  const weights = solve(moments, p, await times(features, p, wanted, q, images), q);
  const others = part(from, p, 1 - parity);
  const truth = part(to, q, 1 - parity);
  const told = await times(others, others.length / p, transposed(weights, p, q), q, p);
  let missed = 0;
  let all = 0;
  for (let index = 0; index < truth.length; index++) {
    missed += (told[index]! - truth[index]!) ** 2;
    all += truth[index]! ** 2;
  }
  return all === 0 ? 1 : Math.min(1, missed / all);
}
