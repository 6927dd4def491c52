/** /v1/models/:digest: downloads of trained backbones. */
import { Digest, FILE_TYPES, ProblemError } from '@rela/contracts';
import { z } from 'zod';
import { sendArtifact, shortName } from '../http/download.js';
import { problems, Streamed } from '../http/responses.js';
import type { Routes } from './route.js';

/** A file name that every file system takes. */
function fileName(run: string | undefined, digest: string): string {
  const name = run?.replace(/[^\w.-]+/g, '-').replace(/^[.-]+/, '');
  return `${name || shortName(digest)}.onnx`;
}

export const modelRoutes: Routes = async (app, { store }) => {
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
          content: { [FILE_TYPES.onnx]: { schema: Streamed } },
        },
        304: z.undefined().describe('The client has it already'),
        ...problems,
      },
    },
    handler: async (request, reply) => {
      const { digest } = request.params;
      const model = await request.database.models.get(digest);
      if (!model)
        throw new ProblemError(
          'not-found',
          `There is no model ${digest}. A run that has trained names its model in result.model.`,
        );
      const run = model.runId === null ? null : await request.database.runs.get(model.runId);
      return sendArtifact(request, reply, store, {
        digest,
        bytes: model.bytes,
        mediaType: FILE_TYPES.onnx,
        fileName: fileName(run?.name, digest),
      });
    },
  });
};
