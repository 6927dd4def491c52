/** What every reader gives: the images of a split, one after the other, not yet decoded. */
import type { Files } from '../files/files.js';
import type { DecodedImage } from '../image.js';

interface Named {
  /** Name for people: a path inside the folder, or file and position. */
  name: string;
  label: number | null;
}

/**
 * An image as its source holds it: pixels, or a file that is still to be decoded. `read` throws DecodeError where this image alone
 * cannot be had.
 */
export type SourceImage = Named &
  ({ kind: 'pixels'; pixels: DecodedImage } | { kind: 'file'; read(): Promise<Uint8Array> });

export interface SourceSplit {
  /** How many images `images` gives; null where only reading them tells. */
  count: number | null;
  /** How many files are worth reading at once, where it is more than there are processors: they come over a network. */
  atOnce?: number;
  /** Labels of the images that `images` gives, where they are known before an image is read. */
  labels?: ReadonlySet<number>;
  /** From the first image, in an order that depends on nothing but the source. Constant memory. */
  images(signal?: AbortSignal): AsyncIterable<SourceImage>;
}

export interface Source {
  /**
   * Names by label; `numbered` where labels are numbers only; null without labels. Final when all images were read: in some formats
   * only reading tells the names.
   */
  readonly classes: string[] | 'numbered' | null;
  train: SourceSplit;
  test: SourceSplit | null;
  /** Ends what it keeps open, such as connections. */
  close?(): Promise<void>;
}

/** Images to take of each split; absent: all. */
export interface Limit {
  train?: number | undefined;
  test?: number | undefined;
}

/** Files that hold many images each, and where in them image and label are. */
export interface ShardOptions {
  files: Files;
  /** Paths; a folder, `{0..3}` and `*` stand for several. */
  train: string | readonly string[];
  test?: string | readonly string[] | undefined;
  /** Column or ending of the images; absent: what the format's reader takes for one. */
  image?: string | undefined;
  /** Column or ending of the labels; absent: what the format's reader takes for one. null: no labels. */
  label?: string | null | undefined;
  classes?: readonly string[] | undefined;
  limit?: Limit | undefined;
}
