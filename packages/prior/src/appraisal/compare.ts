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

/**
 * Leading directions of a representation that others are told from. More would be told apart from noise only in samples of many more
 * images than candidates are asked for: with widths of hundreds every distance became 1 and every score 0.
 */
const DIRECTIONS = 32;

const leading = async ({ rows, width }: Embedded, breath: Breath, most = DIRECTIONS) =>
  (await sampleTargets(rows, width, widestTarget(rows.length / width, Math.min(most, DIRECTIONS)), breath))
    .targets;

const moved = ({ rows, width }: Embedded) => centre(rows, meanOf(rows, width));

/**
 * How far `to` is from `from` after the best linear transport, on one sample of images: see transport-distance.ts. Of `from` the 32
 * leading directions count, of `to` every direction by its variance, as in Definition 4.
 */
export async function representationDistance(from: Embedded, to: Embedded, breath: Breath): Promise<number> {
  const count = from.rows.length / from.width;
  return transportDistance(await leading(from, breath), moved(to), count);
}

/**
 * One entry a candidate. The score is `signal · (1 − distance)`: the share of a target that a student can reach at all, times the
 * share of what all candidates know, itself included, that it tells. So all are measured by the same yardstick: left out of its own, the
 * one that knows most would be measured by those that know less, and they by it.
 * @param student features of the untrained backbone @param most widest target that the runs take
 */
export async function compareCandidates(
  candidates: (Embedded & { signal: number })[],
  student: Embedded,
  { most, breath }: { most: number; breath: Breath },
): Promise<Compared[]> {
  const count = student.rows.length / student.width;
  const features = await leading(student, breath);
  const targets: Float64Array[] = [];
  for (const candidate of candidates) targets.push(await leading(candidate, breath, most));
  const embeddings = candidates.map(moved);

  const compared: Compared[] = [];
  const all = candidates.reduce((sum, { signal }) => sum + signal, 0);
  for (const [index, candidate] of candidates.entries()) {
    const own = targets[index]!;
    let [missed, alignment] = [0, 0];
    for (const [other, another] of candidates.entries()) {
      await breath();
      missed += another.signal * (await transportDistance(own, embeddings[other]!, count));
      if (other !== index)
        alignment += (await linearAlignment(own, targets[other]!, count)) / (candidates.length - 1);
    }
    const distance = all > 0 ? missed / all : 1;
    compared.push({
      ...{ score: candidate.signal * (1 - distance), distance, alignment },
      reached: 1 - (await transportDistance(features, embeddings[index]!, count)),
    });
  }
  return compared;
}
