/** /v1/targets: which targets jobs have made, or are making. Their bytes are artifacts. */
import { pageOf, Targets, TargetsQuery } from '@rela/contracts';
import { problems } from '../http/responses.js';
import { findJob, findRun } from '../references.js';
import type { Routes } from './route.js';

export const targetRoutes: Routes = async (app) => {
  app.route({
    method: 'GET',
    url: '/v1/targets',
    schema: {
      tags: ['targets'],
      operationId: 'listTargets',
      summary: 'List targets, newest first',
      description:
        'GET /v1/artifacts/{digest} gives their manifest: k, the number of images, and the digests of the shards, float32 [count, k] each, in the order of the shards of the data set.',
      querystring: TargetsQuery,
      response: { 200: pageOf(Targets), ...problems },
    },
    handler: async ({ database, query }) => {
      if (query.job !== undefined) await findJob(database, query.job);
      if (query.run !== undefined) await findRun(database, query.run);
      return database.targets.list(query);
    },
  });
};
