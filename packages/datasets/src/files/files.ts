/**
 * Files of a source, wherever they lie: a path of this machine, or `s3://bucket/key`. Readers know no other way to a byte, so each
 * of them reads from both.
 */
import type { Bucket } from './bucket.js';
import { BucketFiles } from './bucket-files.js';
import { LocalFiles } from './local-files.js';
import { isInBucket } from './paths.js';

export interface Entries {
  files: string[];
  folders: string[];
}

/** All methods throw ProblemError: `invalid-data` where something is not there, `unavailable` where a server does not answer. */
export interface Files {
  /** Names in a folder, sorted by code unit, hidden ones left out. Memory: the names. */
  entries(folder: string): Promise<Entries>;
  /** What a path leads to; null: nothing. */
  kindOf(path: string): Promise<'file' | 'folder' | null>;
  /** The path without links. */
  real(path: string): Promise<string>;
  /** Bytes of a file. */
  size(path: string): Promise<number>;
  /** A file from its start to its end. */
  stream(path: string): AsyncIterable<Uint8Array>;
  /** Bytes `start` to `end` (exclusive) of a file; fewer where it ends before. */
  read(path: string, start: number, end: number): Promise<Uint8Array>;
  /** A file of at most `most` bytes. */
  whole(path: string, most: number): Promise<Uint8Array>;
}

/** @param openBucket the bucket of that name; absent: paths of buckets are refused */
export function createFiles(openBucket?: (name: string) => Bucket): Files {
  const local = new LocalFiles();
  const buckets = new BucketFiles(openBucket);
  const at = (path: string): Files => (isInBucket(path) ? buckets : local);
  return {
    entries: (folder) => at(folder).entries(folder),
    kindOf: (path) => at(path).kindOf(path),
    real: (path) => at(path).real(path),
    size: (path) => at(path).size(path),
    stream: (path) => at(path).stream(path),
    read: (path, start, end) => at(path).read(path, start, end),
    whole: (path, most) => at(path).whole(path, most),
  };
}
