/** Ingest: reads a source once and writes it as shards and a manifest. Equal images in equal order give an equal digest. */
import { readFile, stat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { type DatasetCreate, type DatasetManifest, ProblemError } from '@rela/contracts';
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
}

export interface Undecodable {
  count: number;
  /** The first ten. */
  examples: { name: string; reason: string }[];
}

const EXAMPLES = 10;
/** Decoded pixels are stored instead of the file where they take no more than this: a 64 × 64 colour image is read, not decoded. */
const MAX_PIXEL_BYTES = 64 * 64 * 3;
const MAX_FILE_BYTES = 512 * 1024 ** 2;

/**
 * @throws ProblemError `invalid-data` where the source cannot be read, has fewer than two training images, or more images fail to
 *   decode than `tolerance` allows; `unavailable` where a recipe's data are nowhere to be had
 */
export async function ingest(options: IngestOptions): Promise<Ingested> {
  const { dataset, write, signal } = options;
  const source = await openSource(options);
  const intake = new Intake(options, source.train.count + (source.test?.count ?? 0));
  const statistics = new PixelStatistics();
  const train = await intake.split(source.train, statistics);
  const test = source.test && (await intake.split(source.test, null));
  intake.assertTolerable(dataset.tolerance);
  assertEnough(dataset, train.count);
  signal.throwIfAborted();

  const channels = intake.isGrey ? 1 : 3;
  const manifest: DatasetManifest = {
    version: 1,
    classes: classNames(source, intake.highestLabel),
    channels,
    imageSize: intake.size,
    ...statistics.result(channels),
    splits: { train, test: test && test.count > 0 ? test : null },
  };
  const written = await write(Buffer.from(JSON.stringify(manifest)));
  return {
    manifest,
    manifestDigest: written.digest,
    bytes: written.bytes + intake.bytes,
    undecodable: intake.undecodable,
  };
}

function assertEnough({ source }: DatasetCreate, count: number): void {
  if (count > 1) return;
  throw new ProblemError(
    'invalid-data',
    `The data set (${source.kind}) has ${count === 0 ? 'no training images' : 'one training image only'}. Training needs at least a batch of them.`,
  );
}

function classNames({ classes }: Source, highestLabel: number): string[] | null {
  if (classes !== 'numbered') return classes;
  return Array.from({ length: highestLabel + 1 }, (_, label) => String(label));
}

type Prepared =
  | { image: ShardImage; decoded: DecodedImage; failure: null }
  | { failure: { name: string; reason: string } };

/** What is known of a data set after the images seen so far. */
class Intake {
  readonly undecodable: Undecodable = { count: 0, examples: [] };
  isGrey = true;
  highestLabel = -1;
  bytes = 0;
  #size: { height: number; width: number } | 'none' | 'several' = 'none';
  #done = 0;

  constructor(
    private readonly options: IngestOptions,
    private readonly total: number,
  ) {}

  /** The size that all images have, null where they differ. */
  get size(): { height: number; width: number } | null {
    return typeof this.#size === 'string' ? null : this.#size;
  }

  /** Writes the shards of a split; `statistics` sees every image. */
  async split(
    source: SourceSplit,
    statistics: PixelStatistics | null,
  ): Promise<DatasetManifest['splits']['train']> {
    const { dataset, maxPixels, write, signal, onProgress } = this.options;
    const writer = new ShardWriter(dataset.shardSize, write);
    const prepared = mapOrdered(source.images(signal), 2 * availableParallelism(), (image) =>
      prepare(image, maxPixels),
    );
    for await (const one of prepared) {
      signal.throwIfAborted();
      if (one.failure) this.#fail(one.failure);
      else {
        this.#note(one.decoded, one.image.label);
        statistics?.add(one.decoded);
        await writer.add(one.image);
      }
      this.#done++;
      onProgress?.(this.#done, this.total);
    }
    const shards = await writer.finish();
    this.bytes += shards.reduce((sum, shard) => sum + shard.bytes, 0);
    return { count: shards.reduce((sum, shard) => sum + shard.count, 0), shards };
  }

  assertTolerable(tolerance: number): void {
    const { count, examples } = this.undecodable;
    if (count <= tolerance * this.#done) return;
    const named = examples.map(({ name, reason }) => `${name} (${reason})`).join('; ');
    throw new ProblemError(
      'invalid-data',
      `${count} of ${this.#done} images do not decode, and the tolerance is ${tolerance}: ${named}${count > EXAMPLES ? '; …' : ''}. Remove or repair them, or raise "tolerance".`,
    );
  }

  #fail(failure: { name: string; reason: string }): void {
    this.undecodable.count++;
    if (this.undecodable.examples.length < EXAMPLES) this.undecodable.examples.push(failure);
  }

  #note({ height, width, channels }: DecodedImage, label: number | null): void {
    if (channels === 3) this.isGrey = false;
    if (label !== null && label > this.highestLabel) this.highestLabel = label;
    if (this.#size === 'none') this.#size = { height, width };
    else if (this.#size !== 'several' && (this.#size.height !== height || this.#size.width !== width))
      this.#size = 'several';
  }
}

/** Reads and decodes an image, and decides in which form it is stored. */
async function prepare(source: SourceImage, maxPixels: number): Promise<Prepared> {
  const { label } = source;
  if (source.kind === 'pixels') {
    const decoded = source.pixels;
    return { decoded, image: { ...asPixels(decoded), label, name: null }, failure: null };
  }
  try {
    const blob = await readImageFile(source.path);
    const decoded = await decodeImage(blob, maxPixels);
    const stored = decoded.data.length <= MAX_PIXEL_BYTES ? asPixels(decoded) : { blob, shape: null };
    return { decoded, image: { ...stored, label, name: source.name }, failure: null };
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    return { failure: { name: source.name, reason: error.message } };
  }
}

function asPixels({ data, height, width, channels }: DecodedImage): Pick<ShardImage, 'blob' | 'shape'> {
  return { blob: data, shape: [height, width, channels] };
}

async function readImageFile(path: string): Promise<Uint8Array> {
  try {
    const { size } = await stat(path);
    if (size > MAX_FILE_BYTES) throw new DecodeError(`has ${size} bytes; up to ${MAX_FILE_BYTES} are read`);
    return await readFile(path);
  } catch (error) {
    throw new DecodeError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}
