/** Paths of files, on this machine or in buckets. */
import { posix } from 'node:path';

export function isInBucket(path: string): boolean {
  return path.startsWith('s3://');
}

/** `name` inside `folder`; "/" stands between the names, on every system. */
export function inside(folder: string, name: string): string {
  return `${folder.replace(/\/+$/, '')}/${name}`;
}

export function folderOf(path: string): string {
  return posix.dirname(path);
}
