/** Rows of the targets by image number, read from their files one by one: a large data set's targets do not fit into memory. */
import { closeSync, openSync, readSync } from 'node:fs';
import { ProblemError } from '@rela/contracts';
import { Recent } from '../shards/recent.js';
import { type ResolveArtifact, shardOf, startsOf } from '../shards/split.js';
import type { TargetShards } from './messages.js';

const MAX_OPEN = 256;

export class TargetRows {
  readonly #starts: Uint32Array;
  readonly #files: Recent<number>;
  readonly #rowBytes: number;

  constructor(
    private readonly targets: TargetShards,
    resolve: ResolveArtifact,
  ) {
    this.#rowBytes = targets.k * Float32Array.BYTES_PER_ELEMENT;
    this.#starts = startsOf(targets.shards);
    this.#files = new Recent(
      MAX_OPEN,
      async (number) => openSync(await resolve(targets.shards[number]!.digest), 'r'),
      async (file) => closeSync(file),
    );
  }

  /** Copies the target of image `index`, k floats, to `into` from float `offset` on. */
  async read(index: number, into: Float32Array, offset: number): Promise<void> {
    const number = shardOf(this.#starts, index);
    const file = await this.#files.get(number);
    const bytes = new Uint8Array(into.buffer, into.byteOffset + offset * 4, this.#rowBytes);
    const position = (index - this.#starts[number]!) * this.#rowBytes;
    const read = readSync(file, bytes, 0, bytes.length, position);
    if (read !== bytes.length)
      throw new ProblemError(
        'invalid-data',
        `The targets ${this.targets.shards[number]!.digest} end before image ${index}. Compute them again.`,
      );
  }

  close(): Promise<void> {
    return this.#files.close();
  }
}
