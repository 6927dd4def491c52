/** /v1/models/:digest: downloads of trained backbones. */
import { Readable } from 'node:stream';
import { Digest, ProblemError } from '@rela/contracts';
import { z } from 'zod';
import { problems, Streamed } from '../http/responses.js';
import { ONNX_TYPE } from '../priors/register.js';
import type { Routes } from './route.js';

/** A file name that every file system takes. */
function fileName(run: string | undefined, digest: string): string {
  const name = run?.replace(/[^\w.-]+/g, '-').replace(/^[.-]+/, '');
  return `${name || digest.slice('sha256:'.length, 'sha256:'.length + 12)}.onnx`;
}

export const modelRoutes: Routes = async (app, { database, store }) => {
  app.route({
    method: 'GET',
    url: '/v1/models/:digest',
    schema: {
      tags: ['models'],
      operationId: 'downloadModel',
      summary: 'Download a model as ONNX',
      description:
        'The bytes whose sha256 is the digest. They never change, so `ETag` and `If-None-Match` save a download.',
      params: z.object({ digest: Digest }),
      headers: z.looseObject({ 'if-none-match': z.string().optional() }),
      response: {
        200: {
          description: 'The ONNX file',
          content: { [ONNX_TYPE]: { schema: Streamed } },
        },
        304: z.undefined().describe('The client has it already'),
        ...problems,
      },
    },
    handler: async (request, reply) => {
      const { digest } = request.params;
      const model = await database.models.get(digest);
      if (!model)
        throw new ProblemError(
          'not-found',
          `There is no model ${digest}. A run that has trained names its model in result.model.`,
        );
      const etag = `"${digest}"`;
      reply.header('etag', etag).header('cache-control', 'private, max-age=31536000, immutable');
      if (request.headers['if-none-match']?.includes(etag)) return reply.code(304).send();
      const run = model.runId === null ? null : await database.runs.get(model.runId);
      reply
        .type(ONNX_TYPE)
        .header('content-length', model.bytes)
        .header('content-disposition', `attachment; filename="${fileName(run?.name, digest)}"`);
      // Fastify's HEAD routes call the handler of GET; an empty stream leaves the content-length as it is.
      if (request.method === 'HEAD') return reply.send(Readable.from([]));
      const { body } = await store.stream(digest);
      return reply.send(Readable.from(body, { objectMode: false }));
    },
  });
};
