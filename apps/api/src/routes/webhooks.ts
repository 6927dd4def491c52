/** /v1/webhooks: addresses that are told of what happens to jobs, and the log of what was sent to them. The orchestrator sends. */
import { assertPublicHost, hostOf, PrivateAddressError } from '@rela/addresses';
import {
  NewWebhook,
  PageQuery,
  ProblemError,
  pageOf,
  Webhook,
  WebhookCreate,
  WebhookDelivery,
  WebhookDeliveryDetails,
  WebhookDeliveryQuery,
  WebhookSecret,
  WebhookUpdate,
} from '@rela/contracts';
import { z } from 'zod';
import { IdempotencyHeaders, once } from '../http/idempotency.js';
import { IdPath, problems } from '../http/responses.js';
import type { Routes } from './route.js';

const tags = ['webhooks'];

const DeliveryPath = IdPath.extend({ delivery: z.string().min(1).max(200) });

/** What a name leads to is judged by whoever sends: it may be another address by then. @throws ProblemError `invalid-request` */
function assertReachable(url: string): void {
  try {
    assertPublicHost(hostOf(new URL(url)));
  } catch (error) {
    if (!(error instanceof PrivateAddressError)) throw error;
    const message = `${error.message}; the service calls those only with PRIVATE_ADDRESSES=true`;
    throw new ProblemError('invalid-request', `The webhook cannot be called. url: ${message}.`, [
      { field: 'url', message },
    ]);
  }
}

export const webhookRoutes: Routes = async (app, { config }) => {
  const check = (url: string) => {
    if (!config.privateAddresses) assertReachable(url);
  };

  app.route({
    method: 'POST',
    url: '/v1/webhooks',
    schema: {
      tags,
      operationId: 'createWebhook',
      summary: 'Have an address told of what happens to jobs',
      description:
        'The answer has the secret that signs, which is not shown again. Each event is sent by POST until the receiver answers with success, or is given up after three days. Signatures are those of Standard Webhooks.',
      headers: IdempotencyHeaders,
      body: WebhookCreate,
      response: { 201: NewWebhook, ...problems },
    },
    handler: (request, reply) =>
      once(request, reply, request.body, async () => {
        check(request.body.url);
        return async (tx) => {
          const body = await request.database.webhooks.create(request.body, tx);
          return { status: 201, location: `/v1/webhooks/${body.id}`, body };
        };
      }),
  });

  app.route({
    method: 'GET',
    url: '/v1/webhooks',
    schema: {
      tags,
      operationId: 'listWebhooks',
      summary: 'List webhooks, newest first',
      querystring: PageQuery,
      response: { 200: pageOf(Webhook), ...problems },
    },
    handler: (request) => request.database.webhooks.list(request.query),
  });

  app.route({
    method: 'GET',
    url: '/v1/webhooks/:id',
    schema: {
      tags,
      operationId: 'getWebhook',
      summary: 'Look up a webhook',
      params: IdPath,
      response: { 200: Webhook, ...problems },
    },
    handler: (request) => request.database.webhooks.get(request.params.id),
  });

  app.route({
    method: 'PATCH',
    url: '/v1/webhooks/:id',
    schema: {
      tags,
      operationId: 'updateWebhook',
      summary: 'Change a webhook, switch it off or on',
      description: 'What is absent stays as it is. While it is off, events are not kept for it.',
      params: IdPath,
      body: WebhookUpdate,
      response: { 200: Webhook, ...problems },
    },
    handler: async ({ database, params, body }) => {
      if (body.url !== undefined) check(body.url);
      return database.webhooks.update(params.id, body);
    },
  });

  app.route({
    method: 'DELETE',
    url: '/v1/webhooks/:id',
    schema: {
      tags,
      operationId: 'deleteWebhook',
      summary: 'Remove a webhook, with the log of what was sent to it',
      params: IdPath,
      response: { 204: z.undefined().describe('It is gone'), ...problems },
    },
    handler: async (request, reply) => {
      await request.database.webhooks.remove(request.params.id);
      return reply.code(204).send();
    },
  });

  app.route({
    method: 'POST',
    url: '/v1/webhooks/:id/secret',
    schema: {
      tags,
      operationId: 'renewWebhookSecret',
      summary: 'Make a new secret',
      description:
        'The one before signs beside it until `previousUntil`, so that a receiver may change over.',
      headers: IdempotencyHeaders,
      params: IdPath,
      response: { 200: WebhookSecret, ...problems },
    },
    handler: (request, reply) =>
      once(request, reply, null, async () => async (tx) => ({
        status: 200,
        body: await request.database.webhooks.renewSecret(request.params.id, tx),
      })),
  });

  app.route({
    method: 'POST',
    url: '/v1/webhooks/:id/ping',
    schema: {
      tags,
      operationId: 'pingWebhook',
      summary: 'Send a test event',
      description: '`webhook.ping`, tried once. The Location says how it went.',
      headers: IdempotencyHeaders,
      params: IdPath,
      response: { 202: WebhookDelivery, ...problems },
    },
    handler: (request, reply) =>
      once(request, reply, null, async () => async (tx) => {
        const { id } = request.params;
        const body = await request.database.webhooks.ping(id, tx);
        return { status: 202, location: `/v1/webhooks/${id}/deliveries/${body.id}`, body };
      }),
  });

  app.route({
    method: 'GET',
    url: '/v1/webhooks/:id/deliveries',
    schema: {
      tags,
      operationId: 'listWebhookDeliveries',
      summary: 'List what was sent to a webhook, newest first, with every attempt',
      params: IdPath,
      querystring: WebhookDeliveryQuery,
      response: { 200: pageOf(WebhookDelivery), ...problems },
    },
    handler: (request) => request.database.webhooks.deliveries(request.params.id, request.query),
  });

  app.route({
    method: 'GET',
    url: '/v1/webhooks/:id/deliveries/:delivery',
    schema: {
      tags,
      operationId: 'getWebhookDelivery',
      summary: 'Look up what was sent, with its body',
      params: DeliveryPath,
      response: { 200: WebhookDeliveryDetails, ...problems },
    },
    handler: ({ database, params }) => database.webhooks.delivery(params.id, params.delivery),
  });

  app.route({
    method: 'POST',
    url: '/v1/webhooks/:id/deliveries/:delivery/redeliver',
    schema: {
      tags,
      operationId: 'redeliverWebhookDelivery',
      summary: 'Send it again, under the same id',
      description:
        'However it ended, and with all of its tries. One that waits for its next try is sent now.',
      headers: IdempotencyHeaders,
      params: DeliveryPath,
      response: { 202: WebhookDelivery, ...problems },
    },
    handler: (request, reply) =>
      once(request, reply, null, async () => async (tx) => {
        const { id, delivery } = request.params;
        const body = await request.database.webhooks.redeliver(id, delivery, tx);
        return { status: 202, location: `/v1/webhooks/${id}/deliveries/${delivery}`, body };
      }),
  });
};
