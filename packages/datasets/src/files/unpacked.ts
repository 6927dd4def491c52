/** The bytes of a file, unpacked where it is gzip. */
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { Files } from './files.js';

const GZIP_MAGIC = [0x1f, 0x8b];
const CHUNK_BYTES = 256 * 1024;

export interface Unpacked {
  isGzip: boolean;
  chunks: AsyncIterator<Uint8Array>;
}

/** Opens `path`; whether it is gzip is told by its first bytes, not by its name. @throws ProblemError where it cannot be opened */
export async function openUnpacked(files: Files, path: string): Promise<Unpacked> {
  const chunks = files.stream(path)[Symbol.asyncIterator]();
  const first = await firstBytes(chunks);
  const whole = rejoin(first, chunks);
  if (first[0] !== GZIP_MAGIC[0] || first[1] !== GZIP_MAGIC[1]) return { isGzip: false, chunks: whole };
  const unpacked = createGunzip({ chunkSize: CHUNK_BYTES });
  // An error of either stream ends both, and reaches whoever reads the unpacked one.
  pipeline(Readable.from(whole, { objectMode: false }), unpacked, () => undefined);
  return { isGzip: true, chunks: unpacked[Symbol.asyncIterator]() };
}

async function firstBytes(chunks: AsyncIterator<Uint8Array>): Promise<Uint8Array> {
  let first: Uint8Array = new Uint8Array();
  while (first.length < GZIP_MAGIC.length) {
    const { done, value } = await chunks.next();
    if (done) break;
    first = first.length === 0 ? value : Buffer.concat([first, value]);
  }
  return first;
}

/** An iterator and not a generator: one that nobody has begun to read still closes the file. */
function rejoin(first: Uint8Array, rest: AsyncIterator<Uint8Array>): AsyncIterableIterator<Uint8Array> {
  let isFirst = true;
  const joined: AsyncIterableIterator<Uint8Array> = {
    async next() {
      if (!isFirst) return rest.next();
      isFirst = false;
      return { done: false, value: first };
    },
    async return() {
      await rest.return?.();
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]: () => joined,
  };
  return joined;
}
