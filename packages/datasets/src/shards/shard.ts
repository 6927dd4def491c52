/** Reads the images of one shard from a local file, in any order. Memory: what the header says of each image, no blobs. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { ProblemError } from '@rela/contracts';
import { type DecodedImage, DecodeError, decodeImage, type LabelledImage } from '../image.js';
import { headerBytes, PREFIX_BYTES, parseHeader, type Shape, type ShardHeader } from './format.js';

/** An image as it lies in a shard. */
export interface StoredImage {
  blob: Uint8Array;
  /** height, width, channels of the pixels; null: `blob` is the bytes of a file. */
  shape: Shape | null;
}

export interface ShardReader {
  count: number;
  /** @throws ProblemError `invalid-data` naming the image where it does not decode */
  decode(index: number): Promise<LabelledImage>;
  /** −1 without a label. */
  label(index: number): number;
  close(): Promise<void>;
}

/** @throws ProblemError `invalid-data` where the file is not a shard */
export async function openShard(path: string): Promise<ShardReader> {
  return Shard.open(path);
}

/** What was decoded at ingest fits, whatever the pixel limit was then. */
const MAX_PIXELS = 2 ** 31;

/**
 * Reads synchronously: pixels of small images come out of the page cache in microseconds, an order of magnitude below what a
 * round trip through the thread pool takes, and decoding takes longer than the read wherever a blob is large.
 */
export class Shard implements ShardReader {
  /** Where blob i starts; its end is where the next starts. */
  readonly #offsets: Float64Array;
  readonly #labels: Int32Array | null;

  private constructor(
    readonly path: string,
    private readonly file: number,
    private readonly header: Pick<ShardHeader, 'count' | 'shape' | 'shapes'>,
    { sizes, labels }: ShardHeader,
    blobsAt: number,
  ) {
    this.#offsets = new Float64Array(sizes.length + 1);
    this.#offsets[0] = blobsAt;
    for (const [index, size] of sizes.entries()) this.#offsets[index + 1] = this.#offsets[index]! + size;
    this.#labels = labels && Int32Array.from(labels);
  }

  static open(path: string): Shard {
    const file = openSync(path, 'r');
    try {
      const { header, bytes } = readHeader(file, path);
      // The names stay on disk: they are needed for errors only.
      const { count, shape, shapes } = header;
      return new Shard(path, file, { count, shape, shapes }, header, PREFIX_BYTES + bytes);
    } catch (error) {
      closeSync(file);
      throw error;
    }
  }

  get count(): number {
    return this.header.count;
  }

  label(index: number): number {
    return this.#labels?.[index] ?? -1;
  }

  async decode(index: number): Promise<LabelledImage> {
    // Named one by one: V8 puts what a spread makes straight among the old objects, where it waits for a full collection.
    const { data, height, width, channels } = await this.#pixels(index);
    return { data, height, width, channels, label: this.#labels?.[index] ?? null };
  }

  /** @throws RangeError without such an image */
  stored(index: number): StoredImage {
    const start = this.#offsets[index];
    const end = this.#offsets[index + 1];
    if (start === undefined || end === undefined)
      throw new RangeError(`image ${index} of a shard that holds ${this.count}`);
    const blob = new Uint8Array(end - start);
    readAll(this.file, blob, start, this.path);
    return { blob, shape: this.header.shape ?? this.header.shapes?.[index] ?? null };
  }

  async #pixels(index: number): Promise<DecodedImage> {
    const { blob, shape } = this.stored(index);
    if (shape) {
      const [height, width, channels] = shape;
      return { data: blob, height, width, channels };
    }
    try {
      return await decodeImage(blob, MAX_PIXELS);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      throw new ProblemError(
        'invalid-data',
        `The image ${this.name(index)} does not decode any more: ${error.message}. Ingest the data set again.`,
        undefined,
        { cause: error },
      );
    }
  }

  /** Name for people. */
  name(index: number): string {
    return readHeader(this.file, this.path).header.names?.[index] ?? `${index} of ${this.path}`;
  }

  async close(): Promise<void> {
    closeSync(this.file);
  }
}

/** Labels and names of a shard. @throws ProblemError `invalid-data` where the file is not a shard */
export function readShardHeader(path: string): ShardHeader {
  const file = openSync(path, 'r');
  try {
    return readHeader(file, path).header;
  } finally {
    closeSync(file);
  }
}

function readHeader(file: number, path: string): { header: ShardHeader; bytes: number } {
  const size = fstatSync(file).size;
  const prefix = Buffer.alloc(Math.min(PREFIX_BYTES, size));
  readAll(file, prefix, 0, path);
  const json = Buffer.alloc(Math.min(headerBytes(prefix, path), size - PREFIX_BYTES));
  readAll(file, json, PREFIX_BYTES, path);
  return { header: parseHeader(json, path, size), bytes: json.length };
}

function readAll(file: number, into: Uint8Array, position: number, path: string): void {
  let filled = 0;
  while (filled < into.length) {
    const read = readSync(file, into, filled, into.length - filled, position + filled);
    if (read === 0)
      throw new ProblemError(
        'invalid-data',
        `${path} ends at byte ${position + filled}. Ingest the data set again.`,
      );
    filled += read;
  }
}
