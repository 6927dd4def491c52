/** What every place for artifacts can do. An artifact's name is the digest of its bytes, so it never changes once it is there. */

export interface Written {
  /** `sha256:` and 64 hexadecimal digits. */
  digest: string;
  bytes: number;
}

export interface StoredArtifact {
  digest: string;
  bytes: number;
  /** Milliseconds since 1970, by the clock of the place. */
  usedAt: number;
}

export interface WriteOptions {
  /** Stops the write; nothing is left behind. */
  signal?: AbortSignal;
}

/**
 * All methods that take a digest throw ProblemError `invalid-request` for one that is malformed. Those that read throw
 * `not-found` for an artifact that is missing and `invalid-data` for one whose bytes do not give its digest; all throw
 * `unavailable` where the place itself does not answer.
 */
export interface ArtifactStore {
  /**
   * Streams bytes in. They are written under a temporary name and appear whole, by one rename, or not at all. The same
   * content twice is one artifact.
   * @throws ProblemError `storage-full`; the temporary file is gone then. Errors of `source` and of `signal` as they are.
   */
  write(source: Uint8Array | AsyncIterable<Uint8Array>, options?: WriteOptions): Promise<Written>;
  /** The whole artifact, checked against its digest. */
  read(digest: string): Promise<Uint8Array>;
  /** The artifact in pieces. `body` fails after its last piece where the bytes do not give the digest. */
  stream(digest: string): Promise<{ bytes: number; body: AsyncIterable<Uint8Array> }>;
  /**
   * Path of a local file with these bytes, to be read only: the artifact itself in a folder, a cached copy for S3. A copy may
   * be dropped later to make room for others: open it soon, and ask again where it is gone.
   */
  localPath(digest: string): Promise<string>;
  has(digest: string): Promise<boolean>;
  /** Marks the artifact as used now, as every `write` of its bytes does. @returns false where there is none */
  touch(digest: string): Promise<boolean>;
  /** When it was last written or touched, in milliseconds since 1970; null where there is none. */
  usedAt(digest: string): Promise<number | null>;
  /** What the clock of the place says, in milliseconds since 1970: the clock of this machine may be wrong. */
  now(): Promise<number>;
  /** Every artifact: when it was last written or touched. In no order. */
  list(): AsyncIterable<StoredArtifact>;
  /** Removes the artifact; nothing happens where there is none. */
  remove(digest: string): Promise<void>;
  /** The same store, for one who may be killed while it writes: what it leaves half written is known by its name, such as `stg_1.2`. */
  ownedBy(owner: string): ArtifactStore;
  /** Removes what an owner has left half written, and owners whose names begin with this one and a dot; what they still write fails. */
  discard(owner: string): Promise<void>;
  /** Resolves if something can be written here and read back. */
  check(): Promise<void>;
}
