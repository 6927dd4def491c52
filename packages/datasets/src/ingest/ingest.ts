/** Ingest: reads a source once and writes it as shards and a manifest. Equal images in equal order give an equal digest. */
import { availableParallelism } from 'node:os';
import { type DatasetCreate, type DatasetManifest, ProblemError, type SplitName } from '@rela/contracts';
import type { Bucket } from '../files/bucket.js';
import { type DecodedImage, DecodeError, decodeImage } from '../image.js';
import { mapOrdered } from '../ordered.js';
import type { Source, SourceImage, SourceSplit } from '../readers/source.js';
import type { ShardImage } from '../shards/format.js';
import { ShardWriter, type WriteArtifact } from '../shards/shard-writer.js';
import { openSource } from './open-source.js';
import { PixelStatistics } from './statistics.js';

export interface IngestOptions {
  dataset: DatasetCreate;
  /** Keeps what recipes fetch. */
  cacheFolder: string;
  /** Larger images are not decoded. */
  maxPixels: number;
  /** A bucket by its name, for sources that lie in one; absent: those are refused. */
  openBucket?(name: string): Bucket;
  /** Whether manifests may name addresses of private networks and of this machine. Default: no. */
  allowPrivateAddresses?: boolean;
  /** Stores an artifact. */
  write: WriteArtifact;
  onProgress?(done: number, total: number | null): void;
  /** Told in a sentence where a recipe's data come from. */
  onSource?(text: string): void;
  signal: AbortSignal;
}

export interface Ingested {
  manifest: DatasetManifest;
  manifestDigest: string;
  /** All shards and the manifest. */
  bytes: number;
  undecodable: Undecodable;
  /** Sentences: what a person should know of these images. */
  warnings: string[];
}

export interface Undecodable {
  count: number;
  /** The first ten. */
  examples: { name: string; reason: string }[];
}

const EXAMPLES = 10;
/** Decoded pixels are stored instead of the file where they take no more than this: a 64 × 64 colour image is read, not decoded. */
const MAX_PIXEL_BYTES = 64 * 64 * 3;
/** Kinds of sources in which `image` says which of several columns or files an image is. */
const NAMES_IMAGES: ReadonlySet<string> = new Set(['csv', 'parquet', 'webdataset']);
/** So many more images are looked at for others that fail, so that one error names them together. */
const LOOK_ON = 1000;

/**
 * @throws ProblemError `invalid-data` where the source cannot be read, has fewer than two training images, labels for some of them
 *   only, test images of classes that no training image has, or more images that fail to decode than `tolerance` allows;
 *   `unavailable` where a recipe's data are nowhere to be had, or a server does not answer
 */
export async function ingest(options: IngestOptions): Promise<Ingested> {
  const source = await openSource(options);
  try {
    return await takeIn(source, options);
  } finally {
    await source.close?.();
  }
}

async function takeIn(source: Source, options: IngestOptions): Promise<Ingested> {
  const { dataset, write, signal } = options;
  assertUnnamed(source, dataset);
  assertKnown(source, dataset);
  const intake = new Intake(options, totalOf(source));
  const statistics = new PixelStatistics();
  const train = await intake.split('train', source.train, statistics);
  const test = source.test && (await intake.split('test', source.test, null));
  intake.assertTolerable();
  assertEnough(dataset, train.count);
  const classes = classNames(source, dataset, intake.highestLabel);
  intake.assertSeen(classes);
  signal.throwIfAborted();

  const channels =
    intake.isGrey && dataset.normalization?.mean.length !== 3 && dataset.normalization?.std.length !== 3
      ? 1
      : 3;
  const manifest: DatasetManifest = {
    version: 1,
    classes,
    channels,
    imageSize: intake.size,
    ...normalization(dataset, statistics, channels),
    ...(intake.isIdentical ? { identical: true } : {}),
    splits: { train, test: test && test.count > 0 ? test : null },
  };
  const written = await write(Buffer.from(JSON.stringify(manifest)));
  return {
    manifest,
    manifestDigest: written.digest,
    bytes: written.bytes + intake.bytes,
    undecodable: intake.undecodable,
    warnings: intake.isIdentical
      ? [
          `All ${train.count} training images are the same: nothing can be learned from them, and jobs are refused.`,
        ]
      : [],
  };
}

function totalOf({ train, test }: Source): number | null {
  const testCount = test ? test.count : 0;
  return train.count === null || testCount === null ? null : train.count + testCount;
}

/**
 * Before an image is read, for sources that know their labels by then.
 * @throws ProblemError `invalid-data` where test images have classes that no training image has
 */
function assertKnown(source: Source, dataset: DatasetCreate): void {
  const { train, test } = source;
  if (!train.labels || !test?.labels) return;
  const { labels } = train;
  const unseen = [...test.labels].filter((label) => !labels.has(label));
  if (unseen.length === 0) return;
  throw unseenClasses(unseen, classNames(source, dataset, Math.max(...unseen)), dataset);
}

function unseenClasses(
  labels: readonly number[],
  classes: readonly string[] | null,
  { limit }: DatasetCreate,
): ProblemError {
  const names = labels.toSorted((one, other) => one - other).map((label) => classes?.[label] ?? label);
  return new ProblemError(
    'invalid-data',
    `The test images have classes that no training image has: ${names.slice(0, 10).join(', ')}${names.length > 10 ? ', …' : ''}. ${limit?.train === undefined ? 'Add training images of them, or leave them out of the test images' : `Raise limit.train (${limit.train})`}.`,
  );
}

/** @throws ProblemError `invalid-data` where names are given to classes that have some */
function assertUnnamed({ classes }: Source, { classes: given }: DatasetCreate): void {
  if (given === undefined || !Array.isArray(classes) || String(classes) === String(given)) return;
  throw new ProblemError(
    'invalid-data',
    `"classes" cannot be given: the source names its ${classes.length} classes itself (${classes.slice(0, 10).join(', ')}${classes.length > 10 ? ', …' : ''}).`,
  );
}

function assertEnough({ source }: DatasetCreate, count: number): void {
  if (count > 1) return;
  throw new ProblemError(
    'invalid-data',
    `The data set (${source.kind}) has ${count === 0 ? 'no training images' : 'one training image only'}. Training needs at least a batch of them.`,
  );
}

function classNames({ classes }: Source, dataset: DatasetCreate, highestLabel: number): string[] | null {
  if (classes !== 'numbered') return classes;
  return dataset.classes ?? Array.from({ length: highestLabel + 1 }, (_, label) => String(label));
}

function normalization(
  { normalization: given }: DatasetCreate,
  statistics: PixelStatistics,
  channels: 1 | 3,
): { mean: number[]; std: number[] } {
  if (!given) return statistics.result(channels);
  const spread = (values: readonly number[]) =>
    Array.from({ length: channels }, (_, channel) => values[channel] ?? values[0]!);
  return { mean: spread(given.mean), std: spread(given.std) };
}

type Prepared =
  | { name: string; image: ShardImage; decoded: DecodedImage; failure: null }
  | { failure: { name: string; reason: string } };

/** What is known of a data set after the images seen so far. */
class Intake {
  readonly undecodable: Undecodable = { count: 0, examples: [] };
  isGrey = true;
  highestLabel = -1;
  bytes = 0;
  #size: { height: number; width: number } | 'none' | 'several' = 'none';
  #done = 0;
  /** The first training image; null once another one differs. */
  #same: DecodedImage | null | 'none' = 'none';
  #labelled: { is: boolean; name: string } | null = null;
  readonly #trainLabels = new Set<number>();
  /** Labels of test images that no training image has. */
  readonly #unseen = new Set<number>();
  /** How many images were done when more had failed than may. */
  #exceededAt: number | null = null;

  constructor(
    private readonly options: IngestOptions,
    private readonly total: number | null,
  ) {}

  /** Whether all training images are the same. */
  get isIdentical(): boolean {
    return this.#same !== null && this.#same !== 'none';
  }

  /** The size that all images have, null where they differ. */
  get size(): { height: number; width: number } | null {
    return typeof this.#size === 'string' ? null : this.#size;
  }

  /** Writes the shards of a split; `statistics` sees every image. */
  async split(
    name: SplitName,
    source: SourceSplit,
    statistics: PixelStatistics | null,
  ): Promise<DatasetManifest['splits']['train']> {
    const { dataset, maxPixels, write, signal, onProgress } = this.options;
    const writer = new ShardWriter(dataset.shardSize, write);
    const width = Math.max(2 * availableParallelism(), source.atOnce ?? 0);
    const prepared = mapOrdered(source.images(signal), width, (image) => prepare(image, maxPixels));
    for await (const one of prepared) {
      signal.throwIfAborted();
      if (one.failure) this.#fail(one.failure);
      else {
        this.#note(one.decoded);
        this.#noteLabel(name, one.name, one.image.label);
        if (name === 'train') this.#compare(one.decoded);
        statistics?.add(one.decoded);
        await writer.add(one.image);
      }
      this.#done++;
      this.#giveUpInTime();
      onProgress?.(this.#done, this.total);
    }
    const shards = await writer.finish();
    this.bytes += shards.reduce((sum, shard) => sum + shard.bytes, 0);
    return { count: shards.reduce((sum, shard) => sum + shard.count, 0), shards };
  }

  assertTolerable(): void {
    const { tolerance } = this.options.dataset;
    if (this.undecodable.count > tolerance * this.#done) throw this.#intolerable(`${this.#done}`);
  }

  /** @throws ProblemError `invalid-data` where test images have classes that no training image has */
  assertSeen(classes: readonly string[] | null): void {
    if (this.#unseen.size === 0) return;
    throw unseenClasses([...this.#unseen], classes, this.options.dataset);
  }

  #intolerable(seen: string): ProblemError {
    const { count, examples } = this.undecodable;
    const { source, tolerance } = this.options.dataset;
    const named = examples.map(({ name, reason }) => `${name} (${reason})`).join('; ');
    const what = `${count} of ${seen} images do not decode, and the tolerance is ${tolerance}: ${named}${count > EXAMPLES ? '; …' : ''}`;
    const cure =
      count === this.#done && NAMES_IMAGES.has(source.kind)
        ? 'Not one does: say in source.image where the images are'
        : 'Remove or repair them, or raise "tolerance"';
    return new ProblemError('invalid-data', `${what}. ${cure}.`);
  }

  #fail(failure: { name: string; reason: string }): void {
    this.undecodable.count++;
    if (this.undecodable.examples.length < EXAMPLES) this.undecodable.examples.push(failure);
  }

  /** @throws ProblemError `invalid-data` as soon as no number of good images can make up for those that failed */
  #giveUpInTime(): void {
    const { tolerance } = this.options.dataset;
    const allowed =
      this.total === null ? (tolerance === 0 ? 0 : Number.POSITIVE_INFINITY) : tolerance * this.total;
    if (this.undecodable.count <= allowed) return;
    this.#exceededAt ??= this.#done;
    if (this.undecodable.count >= EXAMPLES || this.#done - this.#exceededAt >= LOOK_ON)
      throw this.#intolerable(this.#done === this.total ? `${this.#done}` : `the first ${this.#done}`);
  }

  #compare(image: DecodedImage): void {
    if (this.#same === null) return;
    if (this.#same === 'none') this.#same = image;
    else if (!isSame(this.#same, image)) this.#same = null;
  }

  #noteLabel(split: SplitName, name: string, label: number | null): void {
    this.#labelled ??= { is: label !== null, name };
    if (this.#labelled.is !== (label !== null)) {
      const [with_, without] = label === null ? [this.#labelled.name, name] : [name, this.#labelled.name];
      throw new ProblemError(
        'invalid-data',
        `${without} has no label, and ${with_} has one. Give every image a label, or none (source.label: null, where the source has columns).`,
      );
    }
    if (label === null) return;
    const { classes } = this.options.dataset;
    if (classes && label >= classes.length)
      throw new ProblemError(
        'invalid-data',
        `${name} has the label ${label}, and "classes" names ${classes.length} classes, 0 to ${classes.length - 1}.`,
      );
    if (label > this.highestLabel) this.highestLabel = label;
    if (split === 'train') this.#trainLabels.add(label);
    else if (!this.#trainLabels.has(label)) this.#unseen.add(label);
  }

  #note({ height, width, channels }: DecodedImage): void {
    if (channels === 3) this.isGrey = false;
    if (this.#size === 'none') this.#size = { height, width };
    else if (this.#size !== 'several' && (this.#size.height !== height || this.#size.width !== width))
      this.#size = 'several';
  }
}

/** Reads and decodes an image, and decides in which form it is stored. */
async function prepare(source: SourceImage, maxPixels: number): Promise<Prepared> {
  const { label, name } = source;
  if (source.kind === 'pixels') {
    const decoded = source.pixels;
    return { name, decoded, image: { ...asPixels(decoded), label, name: null }, failure: null };
  }
  try {
    const blob = await source.read();
    const decoded = await decodeImage(blob, maxPixels);
    const stored = decoded.data.length <= MAX_PIXEL_BYTES ? asPixels(decoded) : { blob, shape: null };
    return { name, decoded, image: { ...stored, label, name }, failure: null };
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    return { failure: { name, reason: error.message } };
  }
}

function asPixels({ data, height, width, channels }: DecodedImage): Pick<ShardImage, 'blob' | 'shape'> {
  return { blob: data, shape: [height, width, channels] };
}

function isSame(one: DecodedImage, other: DecodedImage): boolean {
  return (
    one.height === other.height &&
    one.width === other.width &&
    one.channels === other.channels &&
    Buffer.compare(one.data, other.data) === 0
  );
}
