/** /healthz and /readyz: for whoever decides whether this process gets requests. */

import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { ApiDependencies } from '../dependencies.js';
import { checkReadiness } from '../health/readiness.js';
import { problems } from '../http/responses.js';

const tags = ['health'];
const Ok = z.object({ status: z.literal('ok') });

export const healthRoutes: FastifyPluginAsyncZod<ApiDependencies> = async (app, context) => {
  app.route({
    method: 'GET',
    url: '/healthz',
    schema: {
      tags,
      operationId: 'checkHealth',
      summary: 'Whether the process is alive',
      response: { 200: Ok, ...problems },
    },
    handler: async () => ({ status: 'ok' as const }),
  });

  app.route({
    method: 'GET',
    url: '/readyz',
    schema: {
      tags,
      operationId: 'checkReadiness',
      summary: 'Whether the database, the queue and the storage answer',
      response: { 200: Ok, ...problems },
    },
    handler: async (request) => {
      await checkReadiness(context, (part, error) => request.log.warn({ err: error, part }, 'not ready'));
      return { status: 'ok' as const };
    },
  });
};
