/** Collects images into shards and writes each when it is full. */
import type { ShardReference } from '@rela/contracts';
import { encodeShard, type ShardImage } from './format.js';

export type WriteArtifact = (bytes: Uint8Array) => Promise<{ digest: string; bytes: number }>;

/** A shard is held in memory until it is written; large images fill one before `shardSize` of them are there. */
const MAX_SHARD_BYTES = 128 * 1024 ** 2;

export class ShardWriter {
  readonly shards: ShardReference[] = [];
  #images: ShardImage[] = [];
  #bytes = 0;

  constructor(
    private readonly shardSize: number,
    private readonly write: WriteArtifact,
  ) {}

  async add(image: ShardImage): Promise<void> {
    this.#images.push(image);
    this.#bytes += image.blob.length;
    if (this.#images.length >= this.shardSize || this.#bytes >= MAX_SHARD_BYTES) await this.#flush();
  }

  /** Writes what is left. @returns all shards, in order */
  async finish(): Promise<ShardReference[]> {
    if (this.#images.length > 0) await this.#flush();
    return this.shards;
  }

  async #flush(): Promise<void> {
    const { digest, bytes } = await this.write(encodeShard(this.#images));
    this.shards.push({ digest, count: this.#images.length, bytes });
    this.#images = [];
    this.#bytes = 0;
  }
}
