/** /v1/keys: API keys of a tenant. Their secrets are shown once, so these POSTs are not done once by an Idempotency-Key: its answer would have to be kept. */
import { ApiKey, ApiKeyCreate, ApiKeyRotate, NewApiKey, PageQuery, pageOf } from '@rela/contracts';
import { IdPath, problems } from '../http/responses.js';
import type { Routes } from './route.js';

const tags = ['tenants'];
const config = { scope: 'admin' } as const;

export const keyRoutes: Routes = async (app) => {
  app.route({
    method: 'POST',
    url: '/v1/keys',
    config,
    schema: {
      tags,
      operationId: 'createKey',
      summary: 'Make an API key',
      description: 'The secret is in this answer and nowhere else. An Idempotency-Key has no effect here.',
      body: ApiKeyCreate,
      response: { 201: NewApiKey, ...problems },
    },
    handler: async (request, reply) => {
      const key = await request.database.apiKeys.create(request.body);
      reply.code(201).header('location', `/v1/keys/${key.id}`);
      return key;
    },
  });

  app.route({
    method: 'GET',
    url: '/v1/keys',
    config,
    schema: {
      tags,
      operationId: 'listKeys',
      summary: 'List API keys, newest first',
      querystring: PageQuery,
      response: { 200: pageOf(ApiKey), ...problems },
    },
    handler: (request) => request.database.apiKeys.list(request.query),
  });

  app.route({
    method: 'GET',
    url: '/v1/keys/:id',
    config,
    schema: {
      tags,
      operationId: 'getKey',
      summary: 'Look up an API key',
      params: IdPath,
      response: { 200: ApiKey, ...problems },
    },
    handler: (request) => request.database.apiKeys.get(request.params.id),
  });

  app.route({
    method: 'POST',
    url: '/v1/keys/:id/rotate',
    config,
    schema: {
      tags,
      operationId: 'rotateKey',
      summary: 'Give an API key a new secret',
      description:
        'The answer is a new key of the same name and scope. The old one is accepted for `graceSeconds` more, so that no request fails while clients change; with 0 it is refused at once.',
      params: IdPath,
      body: ApiKeyRotate.default({ graceSeconds: 24 * 3600 }),
      response: { 201: NewApiKey, ...problems },
    },
    handler: async (request, reply) => {
      const key = await request.database.apiKeys.rotate(request.params.id, request.body);
      reply.code(201).header('location', `/v1/keys/${key.id}`);
      return key;
    },
  });

  app.route({
    method: 'DELETE',
    url: '/v1/keys/:id',
    config,
    schema: {
      tags,
      operationId: 'revokeKey',
      summary: 'Revoke an API key: it is refused from now on',
      params: IdPath,
      response: { 200: ApiKey, ...problems },
    },
    handler: (request) => request.database.apiKeys.revoke(request.params.id),
  });
};
