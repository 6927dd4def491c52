/** /v1/artifacts: any bytes, streamed to storage and known by their digest from then on, and streamed back. */
import { Readable } from 'node:stream';
import { Artifact, Digest, ProblemError } from '@rela/contracts';
import { z } from 'zod';
import { IdempotencyHeaders, once } from '../http/idempotency.js';
import { problems, Streamed } from '../http/responses.js';
import type { Routes } from './route.js';

const BINARY = 'application/octet-stream';
/** After a refusal the client may go on sending for this long, so that it gets to read the answer. */
const LINGER = 5000;

function tooLarge(limit: number): ProblemError {
  return new ProblemError(
    'payload-too-large',
    `The artifact is larger than the ${limit} bytes that one may have. MAX_UPLOAD_BYTES sets the limit.`,
  );
}

/** The same bytes, ended by a problem where they are more than `limit`. */
async function* atMost(limit: number, source: Readable): AsyncGenerator<Uint8Array, void, undefined> {
  let bytes = 0;
  // The request is not destroyed with the loop: its socket has to carry the answer.
  for await (const chunk of source.iterator({ destroyOnReturn: false })) {
    bytes += chunk.length;
    if (bytes > limit) throw tooLarge(limit);
    yield chunk;
  }
}

function dropRest(source: Readable): void {
  source.resume();
  const timer = setTimeout(() => source.destroy(), LINGER);
  source.once('close', () => clearTimeout(timer));
}

export const artifactRoutes: Routes = async (app, { config, database, store }) => {
  const limit = config.api.maxUploadBytes;
  // Whatever the content type says: here a body is bytes.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, payload, done) => done(null, payload));

  app.route({
    method: 'POST',
    url: '/v1/artifacts',
    schema: {
      tags: ['artifacts'],
      operationId: 'uploadArtifact',
      summary: 'Upload a file, such as the ONNX model of a prior',
      description: 'The body is the file. The same bytes are one artifact, however often they are uploaded.',
      consumes: [BINARY],
      headers: IdempotencyHeaders,
      body: Streamed,
      response: { 201: Artifact, ...problems },
    },
    handler: async (request, reply) => {
      const source = request.body;
      if (request.raw.headers['content-length'] === '0')
        throw new ProblemError('invalid-request', 'The body is missing: send the bytes of the file.');
      try {
        if (Number(request.raw.headers['content-length'] ?? 0) > limit) throw tooLarge(limit);
        const mediaType = request.raw.headers['content-type'] ?? BINARY;
        const { digest, bytes } = await store.write(atMost(limit, source));
        return await once(database, request, reply, { digest, mediaType }, async () => {
          const body = await database.artifacts.record({ digest, bytes, mediaType });
          return async () => ({ status: 201, location: `/v1/artifacts/${digest}`, body });
        });
      } catch (error) {
        if (!source.readableEnded) dropRest(source);
        throw error;
      }
    },
  });

  app.route({
    method: 'GET',
    url: '/v1/artifacts/:digest',
    // A stream that is opened for its length alone would have to be closed again.
    exposeHeadRoute: false,
    schema: {
      tags: ['artifacts'],
      operationId: 'downloadArtifact',
      summary: 'Download a file by its digest',
      description:
        'Such as targets (/v1/targets names their digest), their shards, or the shards of a data set. The bytes never change; compare their sha256 with the digest.',
      params: z.object({ digest: Digest }),
      response: {
        200: { description: 'The bytes', content: { [BINARY]: { schema: Streamed } } },
        ...problems,
      },
    },
    handler: async (request, reply) => {
      const { bytes, body } = await store.stream(request.params.digest);
      reply
        .type(BINARY)
        .header('content-length', bytes)
        .header('etag', `"${request.params.digest}"`)
        .header('cache-control', 'private, max-age=31536000, immutable');
      return reply.send(Readable.from(body, { objectMode: false }));
    },
  });
};
