/** /v1/tenant: who a request comes from. */
import { Self } from '@rela/contracts';
import { problems } from '../http/responses.js';
import type { Routes } from './route.js';

export const tenantRoutes: Routes = async (app) => {
  app.route({
    method: 'GET',
    url: '/v1/tenant',
    schema: {
      tags: ['tenants'],
      operationId: 'getTenant',
      summary: 'Look up your tenant, its limits, and what your key allows',
      response: { 200: Self, ...problems },
    },
    handler: async ({ database, identity }) => ({
      ...(await database.self()),
      ...{ limits: identity.limits, usage: await database.quotas.usage(), scope: identity.scope },
    }),
  });
};
