/** Compares candidates by the embeddings of one sample: how much of the others each tells, and what a student knows of it before training. */
import type { Breath } from '../breath.js';
import { widestTarget } from './appraise.js';
import { linearAlignment } from './measures.js';
import { centre, meanOf, sampleTargets } from './sample-targets.js';
import { transportDistance } from './transport-distance.js';

export interface Embedded {
  /** [n, m] */
  rows: Float32Array;
  width: number;
}

export interface Compared {
  score: number;
  distance: number;
  reached: number;
  alignment: number;
}

const targetsOf = async ({ rows, width }: Embedded, most: number, breath: Breath) =>
  (await sampleTargets(rows, width, widestTarget(rows.length / width, most), breath)).targets;

/**
 * How far `to` is from `from` after the best linear transport, on one sample of images: see transport-distance.ts. A direction of `to`
 * counts by its variance, as in Definition 4.
 * @param most leading directions of `from` that are used; many more images than that tell W from noise
 */
export async function representationDistance(
  from: Embedded,
  to: Embedded,
  { most, breath }: { most: number; breath: Breath },
): Promise<number> {
  const count = from.rows.length / from.width;
  const moved = centre(to.rows, meanOf(to.rows, to.width));
  return transportDistance(await targetsOf(from, most, breath), moved, count);
}

/**
 * One entry a candidate. The score is `signal · (1 − distance)`: the share of a target that a student can reach at all, times the
 * share of what the others know that it tells. With no other to compare with, the distance is 0.
 * @param student features of the untrained backbone @param most widest target that the runs take
 */
export async function compareCandidates(
  candidates: (Embedded & { signal: number })[],
  student: Embedded,
  { most, breath }: { most: number; breath: Breath },
): Promise<Compared[]> {
  const count = student.rows.length / student.width;
  const features = await targetsOf(student, most, breath);
  const targets: Float64Array[] = [];
  for (const candidate of candidates) targets.push(await targetsOf(candidate, most, breath));

  const compared: Compared[] = [];
  for (const [index, candidate] of candidates.entries()) {
    const own = targets[index]!;
    let [missed, weights, alignment] = [0, 0, 0];
    for (const [other, { signal }] of candidates.entries()) {
      if (other === index) continue;
      await breath();
      missed += signal * (await transportDistance(own, targets[other]!, count));
      weights += signal;
      alignment += (await linearAlignment(own, targets[other]!, count)) / (candidates.length - 1);
    }
    const distance = weights > 0 ? missed / weights : 0;
    compared.push({
      ...{ score: candidate.signal * (1 - distance), distance, alignment },
      reached: 1 - (await transportDistance(features, own, count)),
    });
  }
  return compared;
}
