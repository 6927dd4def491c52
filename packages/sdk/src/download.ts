/** Downloads of artifacts: the bytes are checked to be those that were asked for. */
import { createHash, randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream as NodeReadableStream } from 'node:stream/web';
import { RelaConnectionError } from './errors.js';
import type { RequestOptions, Transport } from './transport.js';

const ATTEMPTS = 3;

/**
 * Writes the file that lies under `${from}/${digest}` to `path`; it appears there whole or not at all.
 * @returns its size in bytes
 * @throws RelaConnectionError where the download broke off, or its sha256 differs, three times in a row
 */
export async function download(
  transport: Transport,
  from: string,
  { digest, path }: { digest: string; path: string },
  options: RequestOptions,
): Promise<number> {
  for (let attempt = 1; ; attempt++) {
    const partial = `${path}.${randomUUID().slice(0, 8)}.part`;
    try {
      const bytes = await fetchInto(transport, from, digest, partial, options);
      await rename(partial, path);
      return bytes;
    } catch (error) {
      await rm(partial, { force: true });
      if (!(error instanceof RelaConnectionError) || attempt === ATTEMPTS) throw error;
    }
  }
}

async function fetchInto(
  transport: Transport,
  from: string,
  digest: string,
  partial: string,
  options: RequestOptions,
): Promise<number> {
  const response = await transport.open({
    ...options,
    path: `${from}/${encodeURIComponent(digest)}`,
    headers: { accept: 'application/octet-stream' },
  });
  if (!response.body) throw new RelaConnectionError(`${response.url} answered without a body.`);
  const hash = createHash('sha256');
  let bytes = 0;
  const count = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      bytes += chunk.length;
      done(null, chunk);
    },
  });
  const incoming = Readable.fromWeb(response.body as NodeReadableStream);
  let broken: Error | null = null;
  incoming.once('error', (error) => {
    broken = error;
  });
  try {
    await pipeline(incoming, count, createWriteStream(partial));
  } catch (error) {
    if (!broken || options.signal?.aborted) throw error;
    throw new RelaConnectionError(`The download of ${digest} broke off after ${bytes} bytes.`, {
      cause: error,
    });
  }
  const found = `sha256:${hash.digest('hex')}`;
  if (found !== digest)
    throw new RelaConnectionError(
      `The download of ${digest} arrived damaged: its ${bytes} bytes have the digest ${found}.`,
    );
  return bytes;
}
