/** The rows of an export, in the order of the data set: one shard of images and targets at a time is held. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ProblemError } from '@rela/contracts';
import { headerBytes, PREFIX_BYTES, parseHeader, type ShardHeader } from '../shards/format.js';
import { readShardHeader, Shard, type StoredImage } from '../shards/shard.js';
import type { ExportSource } from './source.js';

export interface ExportRow {
  /** Place of the image in the training images of the data set. */
  index: number;
  /** Name of the image in its source; null where it is named by its place. */
  key: string | null;
  label: number | null;
  /** float32 [k] */
  target: Float32Array;
  image: StoredImage | null;
}

export interface RowOptions {
  /** Read labels and names. */
  labels: boolean;
  images: boolean;
  /** For the copy of the shard that is read. */
  folder: string;
}

interface OpenShard {
  number: number;
  targets: Float32Array;
  header: Pick<ShardHeader, 'labels' | 'names'>;
  images: Shard | null;
}

const COPY = 'images.part';

export class RowReader {
  /** Where the rows of each shard start, and the end of the last. */
  readonly #starts: number[] = [0];
  #held: OpenShard | null = null;

  constructor(
    private readonly source: ExportSource,
    private readonly options: RowOptions,
  ) {
    for (const { images } of source.shards) this.#starts.push(this.count + images.count);
  }

  get count(): number {
    return this.#starts.at(-1) ?? 0;
  }

  /** Rows `from` to `to`, the latter not included. */
  async *rows(from: number, to: number): AsyncGenerator<ExportRow, void, undefined> {
    const { k } = this.source;
    for (let number = 0; number < this.source.shards.length; number++) {
      const [start, end] = [this.#starts[number]!, this.#starts[number + 1]!];
      if (end <= from || start >= to) continue;
      const { targets, header, images } = await this.#open(number);
      for (let index = Math.max(start, from); index < Math.min(end, to); index++) {
        const at = index - start;
        yield {
          index,
          key: header.names?.[at] ?? null,
          label: header.labels?.[at] ?? null,
          target: targets.subarray(at * k, (at + 1) * k),
          image: images?.stored(at) ?? null,
        };
      }
    }
  }

  async #open(number: number): Promise<OpenShard> {
    if (this.#held?.number === number) return this.#held;
    await this.close();
    const { images, targets } = this.source.shards[number]!;
    const rows = floats(await this.source.read(targets));
    if (rows.length !== images.count * this.source.k)
      throw new ProblemError(
        'invalid-data',
        `The targets ${targets} hold ${rows.length} floats, and ${images.count} images with ${this.source.k} each need ${images.count * this.source.k}. Make the targets again.`,
      );
    this.#held = { number, targets: rows, ...(await this.#openImages(images)) };
    return this.#held;
  }

  async #openImages({
    digest,
    bytes,
  }: {
    digest: string;
    bytes: number;
  }): Promise<Pick<OpenShard, 'header' | 'images'>> {
    if (this.options.images) {
      const path = join(this.options.folder, COPY);
      await this.source.download(digest, path);
      return { header: readShardHeader(path), images: Shard.open(path) };
    }
    if (!this.options.labels) return { header: { labels: null, names: null }, images: null };
    return { header: await headerFrom(await this.source.open(digest), { digest, bytes }), images: null };
  }

  async close(): Promise<void> {
    await this.#held?.images?.close();
    this.#held = null;
    if (this.options.images) await rm(join(this.options.folder, COPY), { force: true });
  }
}

/** Little endian, as the machine is; a copy, because the bytes may start anywhere. */
function floats(bytes: Uint8Array): Float32Array {
  return new Float32Array(new Uint8Array(bytes).buffer, 0, Math.floor(bytes.length / 4));
}

/** The header alone: of a shard of 100 MiB with images it is the first thousands of bytes. */
async function headerFrom(
  body: AsyncIterable<Uint8Array>,
  { digest, bytes }: { digest: string; bytes: number },
): Promise<ShardHeader> {
  let start = Buffer.alloc(0);
  let needed = PREFIX_BYTES;
  for await (const chunk of body) {
    start = Buffer.concat([start, chunk]);
    if (start.length >= PREFIX_BYTES)
      needed = PREFIX_BYTES + headerBytes(start.subarray(0, PREFIX_BYTES), digest);
    if (start.length >= needed) break;
  }
  return parseHeader(start.subarray(PREFIX_BYTES, needed), digest, bytes);
}
