/** Files in buckets, by `s3://bucket/key`. What looks like a folder is a prefix that ends with "/". */
import { basename } from 'node:path/posix';
import { ProblemError } from '@rela/contracts';
import type { Bucket } from './bucket.js';
import type { Entries, Files } from './files.js';
import { tooLarge } from './too-large.js';

export class BucketFiles implements Files {
  readonly #buckets = new Map<string, Bucket>();

  constructor(private readonly openBucket?: (name: string) => Bucket) {}

  async entries(folder: string): Promise<Entries> {
    const { bucket, key } = this.#at(folder);
    const entries: Entries = { files: [], folders: [] };
    for await (const found of bucket.list(asPrefix(key))) {
      const name = basename(found.key);
      // Some clients mark a folder by an object of its name.
      if (name.startsWith('.') || found.key === asPrefix(key)) continue;
      entries[found.kind === 'folder' ? 'folders' : 'files'].push(name);
    }
    return { files: entries.files.sort(), folders: entries.folders.sort() };
  }

  async kindOf(path: string): Promise<'file' | 'folder' | null> {
    const { bucket, key } = this.#at(path);
    if (key !== '' && !key.endsWith('/') && (await bucket.size(key)) !== null) return 'file';
    for await (const _ of bucket.list(asPrefix(key))) return 'folder';
    return null;
  }

  async real(path: string): Promise<string> {
    return path;
  }

  async size(path: string): Promise<number> {
    const { bucket, key } = this.#at(path);
    const size = await bucket.size(key);
    if (size === null) throw missing(path);
    return size;
  }

  async *stream(path: string): AsyncGenerator<Uint8Array> {
    const { bucket, key } = this.#at(path);
    yield* bodyOf(await bucket.get(key), path);
  }

  async read(path: string, start: number, end: number): Promise<Uint8Array> {
    if (end <= start) return new Uint8Array();
    const { bucket, key } = this.#at(path);
    const parts: Uint8Array[] = [];
    for await (const part of bodyOf(await bucket.get(key, { start, end }), path)) parts.push(part);
    return Buffer.concat(parts);
  }

  async whole(path: string, most: number): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    let bytes = 0;
    for await (const part of this.stream(path)) {
      bytes += part.length;
      if (bytes > most) throw tooLarge(path, most);
      parts.push(part);
    }
    return Buffer.concat(parts);
  }

  #at(path: string): { bucket: Bucket; key: string } {
    const [, name, key = ''] = /^s3:\/\/([^/]+)\/?(.*)$/s.exec(path) ?? [];
    if (name === undefined) throw new ProblemError('invalid-data', `${path} names no bucket.`);
    if (!this.openBucket)
      throw new ProblemError('invalid-data', `${path} cannot be read: this worker reads no buckets.`);
    const bucket = this.#buckets.get(name) ?? this.openBucket(name);
    this.#buckets.set(name, bucket);
    return { bucket, key };
  }
}

function asPrefix(key: string): string {
  return key === '' || key.endsWith('/') ? key : `${key}/`;
}

async function* bodyOf(
  found: { body: AsyncIterable<Uint8Array> } | null,
  path: string,
): AsyncGenerator<Uint8Array> {
  if (!found) throw missing(path);
  try {
    yield* found.body;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ProblemError('unavailable', `${path} came to an end too early: ${reason}.`, undefined, {
      cause: error,
    });
  }
}

function missing(path: string): ProblemError {
  return new ProblemError(
    'invalid-data',
    `${path} cannot be opened: there is no such object. The server is that of S3_ENDPOINT.`,
  );
}
