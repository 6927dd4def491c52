/** What can be told of targets before anything is trained on them. All of it without labels, except `neighbourAccuracy`. */
import { times } from './dense.js';

/**
 * How many directions carry the variance: exp of the entropy of the spectrum's shares (Roy and Vetterli, "The effective rank", 2007;
 * of covariances, as it is used to judge representations since RankMe, Garrido et al. 2023). 0 without variance.
 */
export function effectiveRank(spectrum: Float64Array): number {
  const total = spectrum.reduce((sum, value) => sum + value, 0);
  if (total === 0) return 0;
  let entropy = 0;
  for (const value of spectrum) if (value > 0) entropy -= (value / total) * Math.log(value / total);
  return Math.exp(entropy);
}

/**
 * How often an image's second embedding points nearer to its own first than to another image's, by the angle as ReLA's loss has it: 1
 * where it always does, ½ by chance.
 * @param second [n, k] @param first [n, k]
 */
export async function agreement(second: Float64Array, first: Float64Array, k: number): Promise<number> {
  const count = first.length / k;
  return shareNearest(await times(unit(second, k), count, unit(first, k), count, k), count);
}

/** The same by distance, which tells apart what lies in one direction too. @param second [n, k] @param first [n, k] */
export async function repeatability(second: Float64Array, first: Float64Array, k: number): Promise<number> {
  const count = first.length / k;
  const near = await times(second, count, first, count, k);
  for (let other = 0; other < count; other++) {
    const square = first.subarray(other * k, (other + 1) * k).reduce((sum, value) => sum + value ** 2, 0);
    for (let row = 0; row < count; row++) near[row * count + other]! -= square / 2;
  }
  return shareNearest(near, count);
}

/** @param near [n, n]: of every row how near each other row is, its own on the diagonal */
function shareNearest(near: Float64Array, count: number): number {
  if (count < 2) return 1;
  let nearer = 0;
  for (let row = 0; row < count; row++) {
    const own = near[row * count + row]!;
    for (let other = 0; other < count; other++) {
      if (other === row) continue;
      const theirs = near[row * count + other]!;
      nearer += own > theirs ? 1 : own === theirs ? 0.5 : 0;
    }
  }
  return nearer / (count * (count - 1));
}

/**
 * What chance alone rarely exceeds: ½ and three standard errors of the mean over `count` images, whose shares are uniform.
 */
export function chanceAgreement(count: number): number {
  return 0.5 + 3 / Math.sqrt(12 * Math.max(count, 1));
}

/**
 * Share of the target that an augmented view still tells: the correlation, over images, of a target with that of the image's view,
 * averaged over the k dimensions; negative ones count as 0. A student that sees views can reach no more than that.
 */
export function signalShare(views: Float64Array, targets: Float64Array, k: number): number {
  const count = targets.length / k;
  let sum = 0;
  for (let target = 0; target < k; target++) {
    const [a, b] = [column(views, k, target), column(targets, k, target)];
    const spread = Math.sqrt(variance(a) * variance(b));
    if (spread === 0) continue;
    let shared = 0;
    const [meanA, meanB] = [mean(a), mean(b)];
    for (let row = 0; row < count; row++) shared += (a[row]! - meanA) * (b[row]! - meanB);
    sum += Math.max(0, shared / count / spread);
  }
  return sum / k;
}

/**
 * Centred kernel alignment of two representations of the same images, linear (Kornblith et al. 2019): 1 where they differ by a turn
 * and a scale only. @param a [n, p], centred @param b [n, q], centred
 */
export async function linearAlignment(a: Float64Array, b: Float64Array, count: number): Promise<number> {
  const products = (rows: Float64Array) => times(rows, count, rows, count, rows.length / count);
  const [left, right] = [await products(a), await products(b)];
  let both = 0;
  let lefts = 0;
  let rights = 0;
  for (let index = 0; index < left.length; index++) {
    both += left[index]! * right[index]!;
    lefts += left[index]! ** 2;
    rights += right[index]! ** 2;
  }
  return lefts === 0 || rights === 0 ? 0 : both / Math.sqrt(lefts * rights);
}

const NEIGHBOURS = 20;
const TEMPERATURE = 0.07;

/**
 * Share of images whose class their 20 nearest others tell, by cosine (method.md, section 3). null where fewer than two classes have
 * labels. @param rows embeddings [n, m] @param labels [n], null without one
 */
export async function neighbourAccuracy(
  rows: Float32Array,
  width: number,
  labels: (number | null)[],
): Promise<number | null> {
  const labelled = [...labels.keys()].filter((row) => labels[row] !== null);
  if (new Set(labelled.map((row) => labels[row])).size < 2) return null;
  const kept = new Float64Array(labelled.length * width);
  for (const [at, row] of labelled.entries())
    kept.set(rows.subarray(row * width, (row + 1) * width), at * width);
  const count = labelled.length;
  const units = unit(kept, width);
  const cosines = await times(units, count, units, count, width);
  let right = 0;
  for (let row = 0; row < count; row++) {
    const others = Array.from({ length: count }, (_, other) => other).filter((other) => other !== row);
    others.sort((a, b) => cosines[row * count + b]! - cosines[row * count + a]! || a - b);
    const votes = new Map<number, number>();
    for (const other of others.slice(0, NEIGHBOURS)) {
      const label = labels[labelled[other]!]!;
      votes.set(label, (votes.get(label) ?? 0) + Math.exp(cosines[row * count + other]! / TEMPERATURE));
    }
    const [best] = [...votes].sort(([a, x], [b, y]) => y - x || a - b);
    if (best?.[0] === labels[labelled[row]!]) right++;
  }
  return right / count;
}

function unit(rows: Float64Array, width: number): Float64Array {
  const units = new Float64Array(rows.length);
  for (let from = 0; from < rows.length; from += width) {
    const row = rows.subarray(from, from + width);
    const length = Math.sqrt(row.reduce((sum, value) => sum + value ** 2, 0));
    if (length > 0) for (let index = 0; index < width; index++) units[from + index] = row[index]! / length;
  }
  return units;
}

const column = (rows: Float64Array, width: number, index: number) =>
  Float64Array.from({ length: rows.length / width }, (_, row) => rows[row * width + index]!);
const mean = (values: Float64Array) => values.reduce((sum, value) => sum + value, 0) / values.length;
const variance = (values: Float64Array) => {
  const middle = mean(values);
  return values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / values.length;
};
