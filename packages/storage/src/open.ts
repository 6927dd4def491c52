/** Chooses the place of the artifacts by its URL; nothing else in the service knows which it is. */
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ProblemError } from '@rela/contracts';
import { FolderStore } from './folder-store.js';
import { parseS3Url } from './s3-address.js';
import { S3Store } from './s3-store.js';
import type { ArtifactStore } from './store.js';

export interface OpenOptions {
  /** Where copies of S3 artifacts lie. Default: a folder in the system's temporary folder. */
  cacheFolder?: string;
  /** Bytes that the copies may take; what was used in the last ten minutes stays in any case. Default: 20 GiB. */
  cacheBytes?: number;
}

const GIBIBYTE = 1024 ** 3;

/**
 * Opens the store at `url`: `s3://bucket/prefix?endpoint=…&region=…&pathStyle=true` (credentials come from the AWS SDK's usual
 * places), `file:///folder`, or a folder's path. Nothing is read or written before the first call.
 * @throws ProblemError `invalid-request` for a URL of another kind.
 */
export function openStore(url: string, options: OpenOptions = {}): ArtifactStore {
  if (url.startsWith('s3://')) {
    const cacheFolder = options.cacheFolder ?? join(tmpdir(), `rela-artifacts-${userInfo().uid}`);
    const copies = new FolderStore(cacheFolder);
    return new S3Store(parseS3Url(url), copies, options.cacheBytes ?? 20 * GIBIBYTE);
  }
  if (url.startsWith('file://')) return new FolderStore(fileURLToPath(url));
  if (/^[a-z][a-z0-9+.-]+:\/\//i.test(url))
    throw new ProblemError(
      'invalid-request',
      `Artifacts cannot be stored at ${new URL(url).protocol}//…. STORAGE_URL is a folder or s3://bucket/prefix.`,
    );
  return new FolderStore(url);
}
