/** ReLA-D's targets from embeddings: PCA and standardisation (method.md, section 1, step 3; arXiv 2405.14669), from statistics alone. */
import { ProblemError } from '@rela/contracts';
import { type Breath, breathing } from './breath.js';
import { leadingEigenpairs } from './eigen/eigenpairs.js';
import { multiply } from './products.js';
import type { ShardStatistics } from './shard-statistics.js';

export interface PrincipalComponents {
  /** m: floats an embedding. */
  width: number;
  /** Target width. */
  k: number;
  /** [m] */
  mean: Float64Array;
  /** [k, m]: unit eigenvectors of the covariance (times the factors, where there are some), largest variance first. The largest entry of each is positive. */
  components: Float64Array;
  /** [k]: eigenvalues, variances over n − 1; 0 for a direction without variance. */
  variances: Float64Array;
  /** [k]: what makes a target's population variance 1 over the data set; 0 for a direction without variance. */
  scale: Float64Array;
}

/** Spacing of float32 around 1, squared: below this share of the largest variance, a direction is rounding of the embeddings. */
const FLOAT32_NOISE = 2 ** -48;

/**
 * Exact PCA of the data set whose shards were merged into `statistics`. The population variance of a projection is known
 * without a second pass: its eigenvalue times (n − 1)/n.
 * @param k at most m. Of n images at most n − 1 directions have variance; the others have scale 0
 * @param factors [m]: the PCA is that of embeddings multiplied by them; its components are of embeddings as they are
 * @throws ProblemError `invalid-data` without images; RangeError where k does not fit
 */
export async function principalComponents(
  statistics: ShardStatistics,
  k: number,
  breath: Breath = breathing(),
  factors: Float64Array | null = null,
): Promise<PrincipalComponents> {
  const { count, width } = statistics;
  if (!Number.isInteger(k) || k < 1 || k > width)
    throw new RangeError(`Targets of width ${k} cannot be made of embeddings of width ${width}.`);
  if (count === 0)
    throw new ProblemError(
      'invalid-data',
      'The data set has no image, so there is nothing to take targets from.',
    );
  const covariance = statistics.covariance();
  if (factors)
    for (let row = 0; row < width; row++)
      for (let column = 0; column < width; column++)
        covariance[row * width + column]! *= factors[row]! * factors[column]!;
  const { values, vectors } = await leadingEigenpairs(covariance, width, k, breath);
  const tolerance = Math.max(values[0]!, 0) * width * FLOAT32_NOISE;
  const variances = values.map((value, index) => (value > tolerance && index < count - 1 ? value : 0));
  for (let index = 0; index < k; index++) fixSign(vectors.subarray(index * width, (index + 1) * width));
  if (factors)
    for (let index = 0; index < vectors.length; index++) vectors[index]! *= factors[index % width]!;
  return {
    width,
    k,
    mean: statistics.mean.slice(),
    components: vectors,
    variances,
    scale: variances.map((value) => (value > 0 ? 1 / Math.sqrt((value * (count - 1)) / count) : 0)),
  };
}

/** An eigenvector's sign is arbitrary: the first of its (nearly) largest entries becomes positive. */
function fixSign(vector: Float64Array): void {
  const largest = vector.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const first = vector.find((value) => Math.abs(value) >= largest * (1 - 1e-6)) ?? 0;
  if (first < 0) for (let index = 0; index < vector.length; index++) vector[index] = -vector[index]!;
}

/** Rows that are projected at once: bounds the float64 copies. */
const CHUNK = 256;

/**
 * Standardised targets [n, k].
 * @param rows embeddings [n, m]
 */
export async function projectTargets(
  rows: Float32Array,
  { width, k, mean, scale, components }: PrincipalComponents,
  breath: Breath = breathing(),
): Promise<Float32Array> {
  if (rows.length % width !== 0)
    throw new RangeError(`${rows.length} values are not rows of ${width}; embeddings have another width.`);
  const count = rows.length / width;
  const targets = new Float32Array(count * k);
  const centred = new Float64Array(Math.min(CHUNK, count) * width);
  for (let from = 0; from < count; from += CHUNK) {
    await breath();
    const length = Math.min(CHUNK, count - from);
    for (let row = 0; row < length; row++)
      for (let feature = 0; feature < width; feature++)
        centred[row * width + feature] = rows[(from + row) * width + feature]! - mean[feature]!;
    const { data: projected } = await multiply(
      { data: centred.subarray(0, length * width), rows: length, columns: width },
      { data: components, rows: k, columns: width },
      { transposeRight: true },
    );
    for (let row = 0; row < length; row++)
      for (let target = 0; target < k; target++)
        // Not a product with 0, which would leave the sign of −0 to rounding.
        if (scale[target]! > 0)
          targets[(from + row) * k + target] = projected[row * k + target]! * scale[target]!;
  }
  return targets;
}
