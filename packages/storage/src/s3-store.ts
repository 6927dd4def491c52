/**
 * Artifacts in S3 or a server that speaks it: objects `prefix/sha256/ab/cdef…`. What is written passes through the folder of
 * copies, because the name of an object is known only after its last byte; so a worker has at hand what it just wrote.
 */
import { createReadStream } from 'node:fs';
import { Copies } from './copies.js';
import { hexOf, isDigest, missing, verified } from './digest.js';
import type { FolderStore } from './folder-store.js';
import type { S3Address } from './s3-address.js';
import type { S3Bucket } from './s3-bucket.js';
import type { ArtifactStore, StoredArtifact, WriteOptions, Written } from './store.js';

/** The SDK is loaded by the first call: most installations have no S3, and it takes half a second. */
function opener(address: S3Address): () => Promise<S3Bucket> {
  let opened: Promise<S3Bucket> | null = null;
  return () => {
    opened ??= import('./s3-bucket.js').then(({ S3Bucket }) => new S3Bucket(address));
    return opened;
  };
}

export class S3Store implements ArtifactStore {
  readonly #copies: Copies;
  readonly #bucket: () => Promise<S3Bucket>;

  /** @param bucket of another store at this address, to share its connections */
  constructor(
    private readonly address: S3Address,
    copies: FolderStore,
    private readonly copyBytes: number,
    bucket = opener(address),
  ) {
    this.#copies = new Copies(copies, copyBytes);
    this.#bucket = bucket;
  }

  async write(source: Uint8Array | AsyncIterable<Uint8Array>, options: WriteOptions = {}): Promise<Written> {
    const folder = this.#copies.folder;
    const written = await folder.write(source, options);
    const bucket = await this.#bucket();
    const key = this.#key(written.digest);
    if (!(await bucket.touch(key))) {
      const body = createReadStream(folder.pathOf(written.digest));
      await bucket.upload(key, written.bytes, body, options.signal);
    }
    await this.#copies.trim();
    return written;
  }

  async read(digest: string): Promise<Uint8Array> {
    await this.localPath(digest);
    return this.#copies.folder.read(digest);
  }

  async stream(digest: string): Promise<{ bytes: number; body: AsyncIterable<Uint8Array> }> {
    if ((await this.#copies.find(digest)) !== null) return this.#copies.folder.stream(digest);
    return this.#download(digest);
  }

  async localPath(digest: string): Promise<string> {
    const copy = await this.#copies.find(digest);
    if (copy !== null) return copy;
    const { body } = await this.#download(digest);
    await this.#copies.folder.write(body);
    await this.#copies.trim();
    return this.#copies.folder.pathOf(digest);
  }

  async has(digest: string): Promise<boolean> {
    return (await this.#bucket()).has(this.#key(digest));
  }

  async touch(digest: string): Promise<boolean> {
    return (await this.#bucket()).touch(this.#key(digest));
  }

  async usedAt(digest: string): Promise<number | null> {
    return (await this.#bucket()).changedAt(this.#key(digest));
  }

  async now(): Promise<number> {
    return (await this.#bucket()).now(this.#join('check'));
  }

  async *list(): AsyncGenerator<StoredArtifact> {
    const root = this.#join('sha256/');
    for await (const { key, bytes, changedAt } of (await this.#bucket()).listAll(root)) {
      const digest = `sha256:${key.slice(root.length).replace('/', '')}`;
      if (isDigest(digest)) yield { digest, bytes, usedAt: changedAt };
    }
  }

  async remove(digest: string): Promise<void> {
    await this.#copies.folder.remove(digest);
    await (await this.#bucket()).remove(this.#key(digest));
  }

  ownedBy(owner: string): S3Store {
    return new S3Store(this.address, this.#copies.folder.ownedBy(owner), this.copyBytes, this.#bucket);
  }

  discard(owner: string): Promise<void> {
    return this.#copies.folder.discard(owner);
  }

  async check(): Promise<void> {
    await this.#copies.folder.check();
    const bucket = await this.#bucket();
    await bucket.put(this.#join('check'), 'check');
    await bucket.has(this.#join('check'));
  }

  async #download(digest: string): Promise<{ bytes: number; body: AsyncIterable<Uint8Array> }> {
    const key = this.#key(digest);
    const where = `s3://${this.address.bucket}/${key}`;
    const found = await (await this.#bucket()).get(key);
    if (!found) throw missing(digest, where);
    return { bytes: found.bytes, body: verified(found.body, digest, where) };
  }

  #key(digest: string): string {
    const hex = hexOf(digest);
    return this.#join(`sha256/${hex.slice(0, 2)}/${hex.slice(2)}`);
  }

  #join(name: string): string {
    return this.address.prefix === '' ? name : `${this.address.prefix}/${name}`;
  }
}
