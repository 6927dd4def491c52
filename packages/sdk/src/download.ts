/** Downloads of what is named by its digest: checked, whole or not at all. */
import { createHash, randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream as NodeReadableStream } from 'node:stream/web';
import { RelaConnectionError } from './errors.js';
import type { RequestOptions, Transport } from './transport.js';

const ATTEMPTS = 3;

export interface Downloadable {
  digest: string;
  /** Where its bytes are. */
  path: string;
}

export interface Download {
  /** null where the service does not say. */
  bytes: number | null;
  /** Fails with a RelaConnectionError where it breaks off, or after its last piece where the bytes do not give the digest. */
  body: AsyncGenerator<Uint8Array, void, undefined>;
}

/** One try. A reader that has enough ends the loop over `body`: the connection is closed then. */
export async function openDownload(
  transport: Transport,
  { digest, path }: Downloadable,
  options: RequestOptions,
): Promise<Download> {
  const response = await transport.open({
    ...options,
    path,
    headers: { accept: 'application/octet-stream' },
  });
  const { body, url } = response;
  if (!body) throw new RelaConnectionError(`${url} answered without a body.`);
  const length = response.headers.get('content-length');
  return {
    bytes: length === null ? null : Number(length),
    body: checked(Readable.fromWeb(body as NodeReadableStream), digest, options),
  };
}

async function* checked(incoming: Readable, digest: string, { signal }: RequestOptions): Download['body'] {
  const hash = createHash('sha256');
  let bytes = 0;
  try {
    for await (const chunk of incoming as AsyncIterable<Uint8Array>) {
      hash.update(chunk);
      bytes += chunk.length;
      yield chunk;
    }
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new RelaConnectionError(`The download of ${digest} broke off after ${bytes} bytes.`, {
      cause: error,
    });
  }
  const found = `sha256:${hash.digest('hex')}`;
  if (found !== digest)
    throw new RelaConnectionError(
      `The download of ${digest} arrived damaged: its ${bytes} bytes have the digest ${found}.`,
    );
}

/** Tries again where the connection breaks. */
async function persistently<T>(once: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await once();
    } catch (error) {
      if (!(error instanceof RelaConnectionError) || attempt === ATTEMPTS) throw error;
    }
  }
}

/**
 * Writes the bytes to `file`; it appears there whole or not at all.
 * @returns their number
 * @throws RelaConnectionError where the download broke off, or its sha256 differs, three times in a row
 */
export async function downloadFile(
  transport: Transport,
  what: Downloadable,
  file: string,
  options: RequestOptions,
): Promise<number> {
  return persistently(async () => {
    const partial = `${file}.${randomUUID().slice(0, 8)}.part`;
    try {
      const { body } = await openDownload(transport, what, options);
      const target = createWriteStream(partial);
      await pipeline(body, target);
      await rename(partial, file);
      return target.bytesWritten;
    } catch (error) {
      await rm(partial, { force: true });
      throw error;
    }
  });
}

/** The bytes, for what fits in memory. @throws as `downloadFile` */
export async function downloadBytes(
  transport: Transport,
  what: Downloadable,
  options: RequestOptions,
): Promise<Uint8Array> {
  return persistently(async () => {
    const { body } = await openDownload(transport, what, options);
    const chunks: Uint8Array[] = [];
    for await (const chunk of body) chunks.push(chunk);
    return Buffer.concat(chunks);
  });
}
