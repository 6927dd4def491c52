/** Artifacts: bytes that the service knows by their digest, to it and back. */
import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { Artifact } from '@rela/contracts';
import { type Download, downloadBytes, downloadFile, openDownload } from '../download.js';
import type { RequestOptions, Transport } from '../transport.js';

/** A path, bytes, or a stream. A stream can be read only once, so its upload is not repeated when it fails. */
export type UploadSource = string | Uint8Array | AsyncIterable<Uint8Array>;

export interface UploadOptions extends RequestOptions {
  /** Default application/octet-stream. */
  mediaType?: string;
}

interface Upload {
  body: () => RequestInit['body'];
  bytes: number | null;
  repeatable: boolean;
}

/** Node's web streams are those of `fetch`; their two declarations differ in name only. */
function webStream(source: Readable): ReadableStream {
  return Readable.toWeb(source) as ReadableStream;
}

async function openUpload(source: UploadSource): Promise<Upload> {
  if (typeof source === 'string') {
    const { size } = await stat(source);
    return { body: () => webStream(createReadStream(source)), bytes: size, repeatable: true };
  }
  if (source instanceof Uint8Array) {
    const bytes = new Uint8Array(source);
    return { body: () => bytes, bytes: source.length, repeatable: true };
  }
  return { body: () => webStream(Readable.from(source)), bytes: null, repeatable: false };
}

export class ArtifactsApi {
  constructor(private readonly transport: Transport) {}

  /** @throws the file system's error where a path cannot be read. */
  async upload(source: UploadSource, options: UploadOptions = {}): Promise<Artifact> {
    const { mediaType, ...request } = options;
    const upload = await openUpload(source);
    return this.transport.json(Artifact, {
      ...request,
      method: 'POST',
      path: 'v1/artifacts',
      headers: {
        'content-type': mediaType ?? 'application/octet-stream',
        ...(upload.bytes === null ? {} : { 'content-length': String(upload.bytes) }),
      },
      body: upload.body,
      retry: upload.repeatable,
    });
  }

  /**
   * The files of a folder, without those of folders in it and hidden ones.
   * @returns digests by file name
   * @throws the file system's error where the folder cannot be read.
   */
  async uploadFolder(folder: string, options: UploadOptions = {}): Promise<Record<string, string>> {
    const digests: Record<string, string> = {};
    for (const name of (await readdir(folder)).sort()) {
      const path = join(folder, name);
      if (name.startsWith('.') || !(await stat(path)).isFile()) continue;
      digests[name] = (await this.upload(path, options)).digest;
    }
    return digests;
  }

  /**
   * Writes the bytes to `path`; the file appears there whole or not at all.
   * @returns its size in bytes
   * @throws RelaConnectionError where the download broke off, or its sha256 differs, three times in a row
   */
  download(digest: string, path: string, options: RequestOptions = {}): Promise<number> {
    return downloadFile(this.transport, stored(digest), path, options);
  }

  /** The bytes, for what fits in memory. @throws as `download` */
  read(digest: string, options: RequestOptions = {}): Promise<Uint8Array> {
    return downloadBytes(this.transport, stored(digest), options);
  }

  /** The bytes as they come, also for one who needs the first of them only. */
  open(digest: string, options: RequestOptions = {}): Promise<Download> {
    return openDownload(this.transport, stored(digest), options);
  }
}

const stored = (digest: string) => ({ digest, path: `v1/artifacts/${encodeURIComponent(digest)}` });
