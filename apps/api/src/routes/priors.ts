/** /v1/priors: registers ONNX models whose embeddings become targets. */
import { PageQuery, Prior, PriorCreate, pageOf } from '@rela/contracts';
import { findPrior } from '@rela/stages';
import { assertPaths } from '../access/named-paths.js';
import { IdempotencyHeaders, once } from '../http/idempotency.js';
import { problems, ReferencePath } from '../http/responses.js';
import { registerPrior } from '../priors/register.js';
import type { Routes } from './route.js';

const tags = ['priors'];

export const priorRoutes: Routes = async (app, context) => {
  app.route({
    method: 'POST',
    url: '/v1/priors',
    schema: {
      tags,
      operationId: 'createPrior',
      summary: 'Register a prior',
      description:
        'The model is opened and run once before the answer. `invalid-model` says why it cannot be a prior; what cannot be read from the model is asked for by field.',
      headers: IdempotencyHeaders,
      body: PriorCreate,
      response: { 201: Prior, ...problems },
    },
    handler: (request, reply) =>
      once(request, reply, request.body, async () => {
        const { source } = request.body;
        if (source.kind === 'path')
          assertPaths(
            [{ field: 'source.path', path: source.path }],
            request.identity.tenantId,
            context.config.dataFolders,
          );
        await request.database.quotas.assertStorage(request.identity.limits);
        const prior = await registerPrior({ ...context, database: request.database }, request.body);
        return async () => ({ status: 201, location: `/v1/priors/${prior.id}`, body: prior });
      }),
  });

  app.route({
    method: 'GET',
    url: '/v1/priors',
    schema: {
      tags,
      operationId: 'listPriors',
      summary: 'List priors, newest first',
      querystring: PageQuery,
      response: { 200: pageOf(Prior), ...problems },
    },
    handler: (request) => request.database.priors.list(request.query),
  });

  app.route({
    method: 'GET',
    url: '/v1/priors/:id',
    schema: {
      tags,
      operationId: 'getPrior',
      summary: 'Look up a prior by id, name or digest',
      params: ReferencePath,
      response: { 200: Prior, ...problems },
    },
    handler: (request) => findPrior(request.database, request.params.id),
  });
};
