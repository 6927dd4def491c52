/** /v1/runs: one training each, its result and its metrics. */
import { pageOf, Run, RunMetric } from '@rela/contracts';
import { z } from 'zod';
import { IdPath, LARGEST_NUMBER, problems } from '../http/responses.js';
import { findRun } from '../references.js';
import type { Routes } from './route.js';

const tags = ['runs'];

const MetricQuery = z.object({
  after: z.coerce
    .number()
    .int()
    .nonnegative()
    .max(LARGEST_NUMBER)
    .default(0)
    .describe('only steps after this one'),
  limit: z.coerce.number().int().min(1).max(1000).default(200),
});

export const runRoutes: Routes = async (app) => {
  app.route({
    method: 'GET',
    url: '/v1/runs/:id',
    schema: {
      tags,
      operationId: 'getRun',
      summary: 'Look up a run with its cost and its result',
      params: IdPath,
      response: { 200: Run, ...problems },
    },
    handler: (request) => findRun(request.database, request.params.id),
  });

  app.route({
    method: 'GET',
    url: '/v1/runs/:id/metrics',
    schema: {
      tags,
      operationId: 'listRunMetrics',
      summary: 'Read the metrics of a run by rising step',
      description: '`next` is the `after` of the next page, null on the last page so far.',
      params: IdPath,
      querystring: MetricQuery,
      response: { 200: pageOf(RunMetric), ...problems },
    },
    handler: async (request) => {
      const { id } = await findRun(request.database, request.params.id);
      const { after: afterStep, limit } = request.query;
      const items = await request.database.runs.metrics(id, { afterStep, limit });
      return { items, next: items.length === limit ? String(items.at(-1)?.step) : null };
    },
  });
};
