/** /v1/artifacts: files that were uploaded, and what stages keep, such as targets and features, known by their digest. */
import type { Readable } from 'node:stream';
import {
  Artifact,
  DatasetManifest,
  Digest,
  FILE_TYPES,
  ProblemError,
  TargetsManifest,
} from '@rela/contracts';
import type { ArtifactStore } from '@rela/storage';
import { z } from 'zod';
import { sendArtifact, shortName } from '../http/download.js';
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

/** With its dot; empty where the type is not one of those that stages keep. */
function extensionOf(mediaType: string | undefined): string {
  const found = Object.entries(FILE_TYPES).find(([, type]) => type === mediaType);
  return found ? `.${found[0]}` : '';
}

function dropRest(source: Readable): void {
  source.resume();
  const timer = setTimeout(() => source.destroy(), LINGER);
  source.once('close', () => clearTimeout(timer));
}

/** The artifacts that a manifest of a data set or of targets names. */
async function membersOf(store: Pick<ArtifactStore, 'read'>, list: string): Promise<string[]> {
  const value: unknown = JSON.parse(new TextDecoder().decode(await store.read(list)));
  const targets = TargetsManifest.safeParse(value);
  // By their places alone: a class may be called like the digest of something else.
  if (targets.success) return targets.data.shards.map(({ digest }) => digest);
  const { train, test } = DatasetManifest.parse(value).splits;
  return [...train.shards, ...(test?.shards ?? [])].map(({ digest }) => digest);
}

export const artifactRoutes: Routes = async (app, { config, store }) => {
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
        const expected = Number(request.raw.headers['content-length'] ?? 0);
        if (expected > limit) throw tooLarge(limit);
        const { quotas } = request.database;
        await quotas.assertStorage(request.identity.limits, expected);
        const mediaType = request.raw.headers['content-type'] ?? BINARY;
        const { digest, bytes } = await store.write(atMost(limit, source));
        // Of a body in chunks nobody said how long it is.
        if (expected === 0) await quotas.assertStorage(request.identity.limits, bytes);
        return await once(request, reply, { digest, mediaType }, async () => {
          const body = await request.database.artifacts.record({ digest, bytes, mediaType });
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
    schema: {
      tags: ['artifacts'],
      operationId: 'downloadArtifact',
      summary: 'Download a file by its digest',
      description:
        'One that was uploaded, weights and features that a run keeps, targets and their shards, a data set and its shards: the bytes whose sha256 is the digest. They never change, so `ETag` and `If-None-Match` save a download.',
      params: z.object({ digest: Digest }),
      headers: z.looseObject({ 'if-none-match': z.string().optional() }),
      response: {
        200: { description: 'The file', content: { [BINARY]: { schema: Streamed } } },
        304: z.undefined().describe('The client has it already'),
        ...problems,
      },
    },
    handler: async (request, reply) => {
      const { digest } = request.params;
      const { artifacts } = request.database;
      const access = await artifacts.access(digest);
      if (!access || !(await store.has(digest)))
        throw new ProblemError(
          'not-found',
          `There is no artifact ${digest}. A run names its weights in result.weights and, with "evaluation.features", its features in result.features, GET /v1/targets those of targets.`,
        );
      if (access.isUnreadList) await artifacts.grantMembers(digest, await membersOf(store, digest));
      // Lists and their members have no record of their own.
      const artifact = await artifacts.get(digest);
      return sendArtifact(request, reply, store, {
        ...{ digest, bytes: artifact?.bytes ?? null, mediaType: BINARY },
        fileName: `${shortName(digest)}${extensionOf(artifact?.mediaType)}`,
      });
    },
  });
};
