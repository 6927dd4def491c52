/** Several priors as one: their embeddings lie side by side, each with a share of the variance that its weight says. */
import type { ShardStatistics } from './shard-statistics.js';

export interface BlendPart {
  /** Floats of this prior's embedding. */
  width: number;
  weight: number;
}

/**
 * Factor [m] of every feature: a part's total variance becomes its weight, so that neither scale nor width of an embedding decides what
 * the principal components are (as in multiple factor analysis, Escofier and Pagès 1994). 0 for a part without variance.
 * @param statistics of the embeddings side by side
 */
export function blendFactors(statistics: ShardStatistics, parts: BlendPart[]): Float64Array {
  const { width } = statistics;
  const together = parts.reduce((sum, part) => sum + part.width, 0);
  if (together !== width)
    throw new RangeError(
      `Embeddings of ${together} features side by side have no statistics of width ${width}.`,
    );
  const covariance = statistics.covariance();
  const factors = new Float64Array(width);
  let from = 0;
  for (const part of parts) {
    let variance = 0;
    for (let feature = from; feature < from + part.width; feature++)
      variance += covariance[feature * width + feature]!;
    factors.fill(variance > 0 ? Math.sqrt(part.weight / variance) : 0, from, from + part.width);
    from += part.width;
  }
  return factors;
}

/** Rows [n, Σ m] of the parts' rows [n, m]. */
export function sideBySide(parts: { rows: Float32Array; width: number }[]): Float32Array {
  const width = parts.reduce((sum, part) => sum + part.width, 0);
  const count = parts[0] ? parts[0].rows.length / parts[0].width : 0;
  const joined = new Float32Array(count * width);
  let at = 0;
  for (const { rows, width: own } of parts) {
    if (rows.length !== count * own)
      throw new RangeError(`${rows.length / own} embeddings do not lie beside ${count}.`);
    for (let row = 0; row < count; row++)
      joined.set(rows.subarray(row * own, (row + 1) * own), row * width + at);
    at += own;
  }
  return joined;
}
