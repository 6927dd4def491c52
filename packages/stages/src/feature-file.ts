/** Features on disk, an npy file that has no name any more: they take no memory, and nothing is left of them when the process ends. */
import { randomUUID } from 'node:crypto';
import { closeSync, createReadStream, openSync, readSync, writeSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ProblemError } from '@rela/contracts';
import { parquet } from '@rela/datasets';
import type { FeatureSource } from '@rela/learning';
import type { ArtifactStore, WriteOptions, Written } from '@rela/storage';
import { npyHeader } from './npy.js';

interface FeatureRow {
  /** Place of the image in its split. */
  index: number;
  label: number | null;
  /** [d]; the next row takes its place */
  feature: Float32Array;
}

/** Reads and writes synchronously: rows come out of the page cache in microseconds. Memory: 4 bytes a row, its label. */
export class FeatureFile implements FeatureSource {
  readonly labels: Int32Array;
  #rows = 0;

  private constructor(
    private readonly path: string,
    private readonly file: number,
    private readonly at: number,
    count: number,
    readonly width: number,
  ) {
    this.labels = new Int32Array(count).fill(-1);
  }

  /** @param count rows that will be appended */
  static async create(folder: string, count: number, width: number): Promise<FeatureFile> {
    await mkdir(folder, { recursive: true });
    const path = join(folder, `features-${randomUUID()}`);
    const file = openSync(path, 'wx+');
    // Where a file that is open cannot lose its name, it is removed when it is closed.
    await rm(path, { force: true }).catch(() => undefined);
    const header = npyHeader('float32', [count, width]);
    writeAll(file, header, 0);
    return new FeatureFile(path, file, header.length, count, width);
  }

  /** @param rows [b, width] */
  append(rows: Float32Array): void {
    const bytes = new Uint8Array(rows.buffer, rows.byteOffset, rows.byteLength);
    writeAll(this.file, bytes, this.#placeOf(this.#rows));
    this.#rows += rows.length / this.width;
  }

  read(rows: Uint32Array, into: Float32Array): void {
    // Neighbours are read at once.
    for (let place = 0; place < rows.length; ) {
      let count = 1;
      while (place + count < rows.length && rows[place + count] === rows[place]! + count) count++;
      const bytes = new Uint8Array(
        into.buffer,
        into.byteOffset + place * this.width * 4,
        count * this.width * 4,
      );
      readAll(this.file, bytes, this.#placeOf(rows[place]!));
      place += count;
    }
  }

  /** Keeps the features and their labels as npy files. */
  async storeNpy(
    store: ArtifactStore,
    options: WriteOptions,
  ): Promise<{ features: Written; labels: Written }> {
    const { labels } = this;
    const values = new Uint8Array(labels.buffer, labels.byteOffset, labels.byteLength);
    const body = createReadStream(this.path, { fd: this.file, start: 0, autoClose: false });
    const features = await store.write(body as AsyncIterable<Uint8Array>, options);
    const header = npyHeader('int32', [labels.length]);
    return { features, labels: await store.write(Buffer.concat([header, values]), options) };
  }

  /**
   * Keeps them as one Parquet file: `index`, `label` (where there are classes) and `feature`, a list of floats. Written beside the
   * features first, since it begins with nothing that is known before its end.
   */
  async storeParquet(
    classes: readonly string[] | null,
    store: ArtifactStore,
    options: WriteOptions,
  ): Promise<Written> {
    const path = `${this.path}.parquet`;
    const columns: parquet.Column<FeatureRow>[] = [
      parquet.integers('index', ({ index }) => index),
      ...(classes ? [parquet.labels<FeatureRow>('label', classes, ({ label }) => label)] : []),
      parquet.floats('feature', ({ feature }) => feature),
    ];
    try {
      await parquet.writeParquet(path, columns, this.#eachRow(options.signal)).catch(explainFull);
      return await store.write(createReadStream(path) as AsyncIterable<Uint8Array>, options);
    } finally {
      await rm(path, { force: true });
    }
  }

  *#eachRow(signal: AbortSignal | undefined): Generator<FeatureRow, void, undefined> {
    const rows = this.labels.length;
    const feature = new Float32Array(this.width);
    for (let index = 0; index < rows; index++) {
      signal?.throwIfAborted();
      this.read(Uint32Array.of(index), feature);
      const label = this.labels[index]!;
      yield { index, label: label < 0 ? null : label, feature };
    }
  }

  async close(): Promise<void> {
    closeSync(this.file);
    await rm(this.path, { force: true });
  }

  #placeOf(row: number): number {
    return this.at + row * this.width * 4;
  }
}

function writeAll(file: number, bytes: Uint8Array, at: number): void {
  try {
    for (let done = 0; done < bytes.length; )
      done += writeSync(file, bytes, done, bytes.length - done, at + done);
  } catch (error) {
    explainFull(error);
  }
}

/** @throws ProblemError `storage-full` where that is what the error says, else the error itself */
function explainFull(error: unknown): never {
  if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  throw new ProblemError(
    'storage-full',
    'There is no room left for the features of an evaluation, which lie in the cache folder while it runs. Free some, or set RELA_HOME to a larger disk.',
    undefined,
    { cause: error },
  );
}

function readAll(file: number, bytes: Uint8Array, at: number): void {
  for (let done = 0; done < bytes.length; ) {
    const read = readSync(file, bytes, done, bytes.length - done, at + done);
    if (read === 0) throw new RangeError(`The features end before byte ${at + bytes.length}.`);
    done += read;
  }
}
