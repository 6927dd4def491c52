/** The targets that a prior would give, from a sample: PCA and standardisation as in `principal-components.ts`, with the whole spectrum. */
import type { Breath } from '../breath.js';
import { leadingEigenpairs } from '../eigen/eigenpairs.js';
import { times, transposed } from './dense.js';

export interface SampleTargets {
  /** Images. */
  count: number;
  /** Target width. */
  k: number;
  /** Directions with variance. */
  rank: number;
  /** Population variances of all directions, largest first: [min(n, m)]. */
  spectrum: Float64Array;
  /** Share of all variance that the most distant hundredth of the images has, 0 without variance. */
  outlierShare: number;
  /** [n, k]: mean 0 and variance 1, or 0 throughout. */
  targets: Float64Array;
  /** Standardised targets [b, k] of other embeddings [b, m]. */
  project(rows: Float32Array): Promise<Float64Array>;
}

/** Spacing of float32 around 1, squared: variance below this share, of the values themselves too, is rounding. */
const FLOAT32_NOISE = 2 ** -48;
const OUTLIERS = 0.01;

/**
 * Of fewer images than features, the eigenvectors of the images' products give the same directions for less.
 * @param rows embeddings [n, m] @param most largest target width
 */
export async function sampleTargets(
  rows: Float32Array,
  width: number,
  most: number,
  breath: Breath,
): Promise<SampleTargets> {
  const count = rows.length / width;
  const mean = meanOf(rows, width);
  const centred = centre(rows, mean);
  const dual = count < width;
  const side = dual ? count : width;
  const turned = transposed(centred, count, width);
  await breath();
  const products = dual
    ? await times(centred, count, centred, count, width)
    : await times(turned, width, turned, width, count);
  for (let index = 0; index < products.length; index++) products[index]! /= count;
  const { values, vectors } = await leadingEigenpairs(products, side, side, breath);
  const level = mean.reduce((sum, value) => sum + value ** 2, 0);
  const tolerance = (Math.max(values[0]!, 0) + level) * width * FLOAT32_NOISE;
  const spectrum = values.map((value) => (value > tolerance ? value : 0));
  const rank = spectrum.filter((value) => value > 0).length;
  const k = Math.max(1, Math.min(most, side));
  const leading = vectors.slice(0, k * side);
  await breath();
  const components = dual ? await times(leading, k, turned, width, count) : leading;
  // A dual vector maps to one of length √(n · variance).
  const scale = Float64Array.from({ length: k }, (_, index) => {
    const variance = spectrum[index]!;
    if (variance === 0) return 0;
    return dual ? 1 / (Math.sqrt(count) * variance) : 1 / Math.sqrt(variance);
  });
  const standardise = async (from: Float64Array) => {
    const projected = await times(from, from.length / width, components, k, width);
    for (let index = 0; index < projected.length; index++) projected[index]! *= scale[index % k]!;
    return projected;
  };
  return {
    ...{ count, k, rank, spectrum },
    outlierShare: rank === 0 ? 0 : outlierShareOf(centred, width),
    targets: await standardise(centred),
    project: (others) => standardise(centre(others, mean)),
  };
}

/** Of every dimension of rows [n, m] → [m] */
export function meanOf(rows: Float32Array, width: number): Float64Array {
  const count = rows.length / width;
  const mean = new Float64Array(width);
  for (let index = 0; index < rows.length; index++) mean[index % width]! += rows[index]! / count;
  return mean;
}

export function centre(rows: Float32Array, mean: Float64Array): Float64Array {
  return Float64Array.from(rows, (value, index) => value - mean[index % mean.length]!);
}

function outlierShareOf(centred: Float64Array, width: number): number {
  const squares = new Float64Array(centred.length / width);
  for (let index = 0; index < centred.length; index++)
    squares[Math.floor(index / width)]! += centred[index]! ** 2;
  squares.sort().reverse();
  const sum = (values: Float64Array) => values.reduce((total, value) => total + value, 0);
  return sum(squares.subarray(0, Math.ceil(OUTLIERS * squares.length))) / sum(squares);
}
