/** Sends an artifact: bytes whose sha256 is the digest, streamed, with what saves a client from asking for them twice. */
import { Readable } from 'node:stream';
import type { ArtifactStore } from '@rela/storage';
import type { FastifyReply, FastifyRequest } from 'fastify';

export interface Download {
  digest: string;
  /** null: the store says it. */
  bytes: number | null;
  mediaType: string;
  fileName: string;
}

export async function sendArtifact(
  request: FastifyRequest,
  reply: FastifyReply,
  store: ArtifactStore,
  { digest, bytes, mediaType, fileName }: Download,
): Promise<FastifyReply> {
  const etag = `"${digest}"`;
  reply.header('etag', etag).header('cache-control', 'private, max-age=31536000, immutable');
  if (request.headers['if-none-match']?.includes(etag)) return reply.code(304).send();
  reply.type(mediaType).header('content-disposition', `attachment; filename="${fileName}"`);
  // Fastify's HEAD routes call the handler of GET; an empty stream leaves the content-length as it is.
  if (request.method === 'HEAD') {
    if (bytes !== null) reply.header('content-length', bytes);
    return reply.send(Readable.from([]));
  }
  const { bytes: length, body } = await store.stream(digest);
  reply.header('content-length', length);
  return reply.send(Readable.from(body, { objectMode: false }));
}

/** The first digits of a digest: enough to tell files apart. */
export const shortName = (digest: string): string => digest.slice('sha256:'.length, 'sha256:'.length + 12);
