/** /v1/datasets: registers image collections; a worker reads the images afterwards. */
import { Dataset, DatasetCreate, PageQuery, pageOf } from '@rela/contracts';
import { findDataset } from '@rela/stages';
import { assertPaths, pathsOfDataset } from '../access/named-paths.js';
import { IdempotencyHeaders, once } from '../http/idempotency.js';
import { IdPath, problems, ReferencePath } from '../http/responses.js';
import type { Routes } from './route.js';

const tags = ['datasets'];

export const datasetRoutes: Routes = async (app, { config }) => {
  app.route({
    method: 'POST',
    url: '/v1/datasets',
    schema: {
      tags,
      operationId: 'createDataset',
      summary: 'Register a data set',
      description:
        'Accepted at once; a worker reads the images. Poll the Location until `status` is `ready` or `failed`.',
      headers: IdempotencyHeaders,
      body: DatasetCreate,
      response: { 202: Dataset, ...problems },
    },
    handler: (request, reply) =>
      once(request, reply, request.body, async () => async (tx) => {
        const { tenantId, limits } = request.identity;
        assertPaths(pathsOfDataset(request.body.source), tenantId, config.dataFolders);
        await request.database.quotas.assertStorage(limits, 0, tx);
        const { dataset } = await request.database.datasets.create(request.body, tx);
        return { status: 202, location: `/v1/datasets/${dataset.id}`, body: dataset };
      }),
  });

  app.route({
    method: 'GET',
    url: '/v1/datasets',
    schema: {
      tags,
      operationId: 'listDatasets',
      summary: 'List data sets, newest first',
      querystring: PageQuery,
      response: { 200: pageOf(Dataset), ...problems },
    },
    handler: (request) => request.database.datasets.list(request.query),
  });

  app.route({
    method: 'GET',
    url: '/v1/datasets/:id',
    schema: {
      tags,
      operationId: 'getDataset',
      summary: 'Look up a data set by id, name or digest',
      description: 'Of several with one name it is the newest that is ready, else the newest.',
      params: ReferencePath,
      response: { 200: Dataset, ...problems },
    },
    handler: (request) => findDataset(request.database, request.params.id),
  });

  app.route({
    method: 'POST',
    url: '/v1/datasets/:id/retry',
    schema: {
      tags,
      operationId: 'retryDataset',
      summary: 'Read the images of a data set again that has failed',
      headers: IdempotencyHeaders,
      params: IdPath,
      response: { 202: Dataset, ...problems },
    },
    handler: (request, reply) =>
      once(request, reply, null, async () => {
        const body = await request.database.datasets.retry(request.params.id);
        return async () => ({ status: 202, location: `/v1/datasets/${body.id}`, body });
      }),
  });
};
