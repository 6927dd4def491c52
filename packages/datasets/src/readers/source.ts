/** What every reader gives: the images of a split, one after the other, not yet decoded. */
import type { DecodedImage } from '../image.js';

interface Named {
  /** Name for people: a path inside the folder, or file and position. */
  name: string;
  label: number | null;
}

/** An image as its source holds it: pixels, or a file that is still to be read and decoded. */
export type SourceImage = Named & ({ kind: 'pixels'; pixels: DecodedImage } | { kind: 'file'; path: string });

export interface SourceSplit {
  /** How many images `images` gives. */
  count: number;
  /** From the first image, in an order that depends on nothing but the source. Constant memory. */
  images(signal?: AbortSignal): AsyncIterable<SourceImage>;
}

export interface Source {
  /** Names by label; `numbered` where labels are numbers only; null without labels. */
  classes: string[] | 'numbered' | null;
  train: SourceSplit;
  test: SourceSplit | null;
}

/** Images to take of each split; absent: all. */
export interface Limit {
  train?: number | undefined;
  test?: number | undefined;
}
