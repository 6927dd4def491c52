/** Judges one prior by a sample of the images: what its targets carry, and whether they carry anything. */
import type { Appraisal, Gates } from '@rela/contracts';
import type { Breath } from '../breath.js';
import {
  agreement,
  chanceAgreement,
  effectiveRank,
  neighbourAccuracy,
  repeatability,
  signalShare,
} from './measures.js';
import { sampleTargets } from './sample-targets.js';

/** Embeddings of one sample, all of width m. */
export interface AppraisedSample {
  width: number;
  /** [n, m] */
  rows: Float32Array;
  /** [n, m]: of one augmented view of every image. */
  views: Float32Array;
  /** [r, m]: of the first r images, embedded again, in another place of the batch. */
  repeated: Float32Array;
  /** [n], null without one. */
  labels: (number | null)[];
}

export type Appraiser = Omit<Appraisal, 'name' | 'prior' | 'secondsPerImage'>;

/** An image that is embedded again has to be nearest to itself; halfway to chance, the output is not one of the image. */
const MIN_REPEATABILITY = 0.75;

/** Of fewer images a direction, a target's trailing dimensions would be those of the sample alone. */
const IMAGES_A_DIMENSION = 4;

/** Widest target that a sample of `count` images can tell of. */
export const widestTarget = (count: number, most: number) =>
  Math.max(1, Math.min(most, Math.floor(count / IMAGES_A_DIMENSION)));

/** @param most widest target that the runs take */
export async function appraiseSample(
  { width, rows, views, repeated, labels }: AppraisedSample,
  { most, gates, breath }: { most: number; gates: Gates; breath: Breath },
): Promise<Appraiser> {
  const images = rows.length / width;
  const sample = await sampleTargets(rows, width, widestTarget(images, most), breath);
  const { k, rank, targets } = sample;
  await breath();
  const viewed = await sample.project(views);
  const measured = {
    ...{ images, k, rank, effectiveRank: effectiveRank(sample.spectrum) },
    outlierShare: sample.outlierShare,
    repeatability:
      rank === 0
        ? 0.5
        : await repeatability(
            await sample.project(repeated),
            targets.subarray(0, (repeated.length / width) * k),
            k,
          ),
    agreement: rank === 0 ? 0.5 : await agreement(viewed, targets, k),
    signal: signalShare(viewed, targets, k),
    knn: await neighbourAccuracy(rows, width, labels),
  };
  const flags = flagsOf(measured, gates);
  return { ...measured, refused: refusalOf(measured, flags, gates), flags };
}

type Measured = Omit<Appraiser, 'refused' | 'flags'>;

function refusalOf(
  { rank, repeatability: repeated, images }: Measured,
  flags: string[],
  gates: Gates,
): string | null {
  if (rank === 0)
    return `its output is the same for all of ${images} images. Check its weights and its output`;
  if (repeated < MIN_REPEATABILITY)
    return 'its output is not a function of the image: embedded again, an image is no nearer to itself than to others. Check that it draws no random numbers and that images of a batch do not mix';
  if (rank < gates.minRank)
    return `its output varies in ${rank} direction${rank === 1 ? ', so that a target is a sign and no more' : 's'}, and gates.minRank is ${gates.minRank}. Take an output before the head`;
  if (gates.flagged === 'refuse' && flags.length > 0)
    return `${flags.join('; ')} (gates.flagged is "refuse")`;
  return null;
}

const rounded = (value: number) => String(Number(value.toPrecision(3)));

function flagsOf(measured: Measured, gates: Gates): string[] {
  const { rank, images } = measured;
  if (rank === 0) return [];
  const flags: string[] = [];
  if (measured.effectiveRank < gates.minEffectiveRank)
    flags.push(
      `nearly all of its variance is in one direction: effective rank ${rounded(measured.effectiveRank)}, less than ${gates.minEffectiveRank}`,
    );
  if (measured.outlierShare > gates.maxOutlierShare)
    flags.push(
      `one image in a hundred has ${rounded(100 * measured.outlierShare)} % of its variance, more than ${rounded(100 * gates.maxOutlierShare)} %`,
    );
  const least = gates.minAgreement ?? chanceAgreement(images);
  if (measured.agreement < least)
    flags.push(
      `an augmented view is nearer to its own image than to another in ${rounded(100 * measured.agreement)} of 100 comparisons, less than ${rounded(100 * least)}; by chance it is in 50`,
    );
  return flags;
}
