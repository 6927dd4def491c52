/** /openapi.json and the page at /docs, both made from the schemas of the routes. */
import fastifySwagger from '@fastify/swagger';
import fastifySwaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance } from 'fastify';
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod';
import { addExamples } from './examples.js';
import { addSent } from './sent.js';

const description = `Training acceleration as a service. A job trains image encoders on a data set, with ReLA and
without; every resource below is created with POST, listed newest first, and looked up by id.

**Errors** are RFC 9457 problems (\`application/problem+json\`) with a stable \`code\`; \`errors\` names fields.
**Retries** are safe: send any POST with an \`Idempotency-Key\` and it is done once.
**Lists** are read by cursor: \`next\` of a page is the \`cursor\` of the next one.`;

/** To be called before the routes are added. */
export async function documentRoutes(app: FastifyInstance): Promise<void> {
  await app.register(fastifySwagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'ReLA', version: '1', description, license: { name: 'MIT', identifier: 'MIT' } },
      security: [{ bearer: [] }],
      components: {
        securitySchemes: {
          bearer: {
            type: 'http',
            scheme: 'bearer',
            description:
              'An API key, or a token of the identity provider. The API on this machine alone may do without.',
          },
        },
      },
      tags: [
        { name: 'datasets', description: 'Collections of images' },
        { name: 'priors', description: 'Models whose embeddings become targets' },
        { name: 'jobs', description: 'What is to be trained, and what happens to it' },
        { name: 'schedules', description: 'Jobs that are made again at the times of a timetable' },
        { name: 'runs', description: 'One training each' },
        { name: 'models', description: 'Trained backbones' },
        { name: 'webhooks', description: 'Addresses that are told of what happens to jobs' },
        { name: 'artifacts', description: 'Uploaded files' },
        { name: 'tenants', description: 'Who you are, and your keys' },
        { name: 'health', description: 'For load balancers and supervisors' },
      ],
    },
    transform: jsonSchemaTransform,
    transformObject: (document) => addSent(addExamples(jsonSchemaTransformObject(document))),
  });
  await app.register(fastifySwaggerUi, {
    routePrefix: '/docs',
    staticCSP: true,
    logLevel: 'warn',
    uiConfig: { displayOperationId: true, docExpansion: 'list', tryItOutEnabled: true },
  });
  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger());
}
