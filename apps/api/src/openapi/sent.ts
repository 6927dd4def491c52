/** What the service itself sends: the requests to webhooks, under `webhooks` of OpenAPI 3.1. */
import type { jsonSchemaTransformObject } from 'fastify-type-provider-zod';

type Document = ReturnType<typeof jsonSchemaTransformObject>;

const header = (name: string, description: string) => ({
  ...{ name, in: 'header', required: true, description, schema: { type: 'string' } },
});

/** The document with the one request that all webhooks get. The schema of its body is that of `WebhookPayload` of the contracts. */
export function addSent(document: Document): Document {
  const event = {
    post: {
      tags: ['webhooks'],
      operationId: 'receiveEvent',
      summary: 'What a webhook receives',
      parameters: [
        header('webhook-id', 'the same in every attempt'),
        header('webhook-timestamp', 'of the attempt, seconds since 1970'),
        header('webhook-signature', 'one or more, as Standard Webhooks says'),
      ],
      requestBody: {
        required: true,
        content: { 'application/json': { schema: { $ref: '#/components/schemas/WebhookPayload' } } },
      },
      responses: { '2XX': { description: 'It has arrived. Anything else is tried again' } },
    },
  };
  return { ...document, webhooks: { event } } as Document;
}
