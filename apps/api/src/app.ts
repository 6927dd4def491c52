/** Assembles the API from its dependencies: plugins, then routes. It listens to nothing. */

import { createManifests } from '@rela/stages';
import Fastify, { type FastifyInstance, LogController } from 'fastify';
import { serializerCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod';
import { authenticateRequests } from './access/authenticate.js';
import type { ApiDependencies } from './dependencies.js';
import { JobWatchers } from './events/watchers.js';
import { drainOnClose } from './http/drain.js';
import { readJsonBodies } from './http/json-body.js';
import { answerMalformedHttp } from './http/malformed.js';
import { answerUnknownRoutes, handleError } from './http/problems.js';
import { requestId } from './http/request-id.js';
import { RouteTable } from './http/route-table.js';
import { cutOffSlowBodies } from './http/slow-bodies.js';
import { compileValidator } from './http/validation.js';
import { documentRoutes } from './openapi/document.js';
import { artifactRoutes } from './routes/artifacts.js';
import { batchRoutes } from './routes/batches.js';
import { datasetRoutes } from './routes/datasets.js';
import { deadLetterRoutes } from './routes/dead-letters.js';
import { eventRoutes } from './routes/events.js';
import { healthRoutes } from './routes/health.js';
import { jobRoutes } from './routes/jobs.js';
import { keyRoutes } from './routes/keys.js';
import { modelRoutes } from './routes/models.js';
import { priorRoutes } from './routes/priors.js';
import { runRoutes } from './routes/runs.js';
import { scheduleRoutes } from './routes/schedules.js';
import { targetRoutes } from './routes/targets.js';
import { tenantRoutes } from './routes/tenant.js';
import { webhookRoutes } from './routes/webhooks.js';

const SECOND = 1000;
const MIB = 1024 ** 2;
/** A name of 200 characters, each of which may be escaped in a path as three. */
const LONGEST_PARAMETER = 600;

/** The whole API, to be used with `inject` or to be told to listen. `close` ends open event streams. */
export async function buildApp(dependencies: ApiDependencies): Promise<FastifyInstance> {
  const app = Fastify({
    logger: { level: dependencies.config.logLevel, base: { app: 'api' } },
    logController: new LogController({
      disableRequestLogging: ({ url }) => url === '/healthz' || url === '/readyz',
    }),
    genReqId: requestId,
    requestIdHeader: false,
    bodyLimit: MIB,
    // A connection on which nothing moves; event streams say something more often than this.
    connectionTimeout: 120 * SECOND,
    keepAliveTimeout: 65 * SECOND,
    // The whole request, an upload over a slow line included.
    requestTimeout: 3600 * SECOND,
    // Node looks this often for requests that are late, every half a minute by itself.
    http: { headersTimeout: 20 * SECOND, connectionsCheckingInterval: 2 * SECOND },
    routerOptions: { maxParamLength: LONGEST_PARAMETER },
    frameworkErrors: handleError,
    clientErrorHandler: answerMalformedHttp,
  }).withTypeProvider<ZodTypeProvider>();
  app.setValidatorCompiler(compileValidator);
  app.setSerializerCompiler(serializerCompiler);
  app.setErrorHandler(handleError);
  app.addHook('onRequest', async (request, reply) => {
    reply.headers({
      'x-request-id': request.id,
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cross-origin-resource-policy': 'same-origin',
    });
    if (request.url.startsWith('/v1/')) reply.header('cache-control', 'no-store');
  });
  cutOffSlowBodies(app);
  readJsonBodies(app);

  const routes = new RouteTable(app);
  answerUnknownRoutes(app, routes);
  await documentRoutes(app);

  const watchers = new JobWatchers(dependencies.database, app.log);
  app.addHook('onReady', () => watchers.start());
  app.addHook('preClose', () => watchers.stop());
  drainOnClose(app);
  await authenticateRequests(app, dependencies);
  await app.register(healthRoutes, dependencies);
  const { config, store } = dependencies;
  const context = { config, store, watchers, readManifest: createManifests(store) };
  for (const plugin of [
    artifactRoutes,
    datasetRoutes,
    priorRoutes,
    jobRoutes,
    batchRoutes,
    scheduleRoutes,
    eventRoutes,
    runRoutes,
    modelRoutes,
    targetRoutes,
    webhookRoutes,
    deadLetterRoutes,
    tenantRoutes,
    keyRoutes,
  ])
    await app.register(plugin, context);
  return app;
}
