import { Validator } from '@seriousme/openapi-schema-validator';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startService, type TestService } from '../testing/service.js';
import { examples } from './examples.js';

interface Document {
  openapi: string;
  paths: Record<string, Record<string, { operationId?: string; summary?: string }>>;
  webhooks: Record<string, unknown>;
  components: { schemas: Record<string, { examples?: unknown[] }> };
}

let service: TestService;
let document: Document;
beforeAll(async () => {
  service = await startService();
  document = (await (await fetch(`${service.url}/openapi.json`)).json()) as Document;
});
afterAll(() => service.close());

it('is valid OpenAPI 3.1', async () => {
  expect(document.openapi).toBe('3.1.0');
  const result = await new Validator().validate(
    structuredClone(document) as unknown as Record<string, unknown>,
  );
  expect(result.errors ?? []).toEqual([]);
  expect(result.valid).toBe(true);
});

it('lists every route with a summary and a name of its own', () => {
  const found = Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
  );
  expect(found.sort()).toEqual(
    [
      'DELETE /v1/keys/{id}',
      'GET /healthz',
      'GET /readyz',
      'POST /v1/artifacts',
      'GET /v1/artifacts/{digest}',
      'GET /v1/datasets',
      'POST /v1/datasets',
      'GET /v1/datasets/{id}',
      'POST /v1/datasets/{id}/retry',
      'GET /v1/dead-letters',
      'GET /v1/priors',
      'POST /v1/keys',
      'POST /v1/keys/{id}/rotate',
      'POST /v1/priors',
      'GET /v1/priors/{id}',
      'GET /v1/jobs',
      'POST /v1/jobs',
      'GET /v1/jobs/{id}',
      'POST /v1/jobs/batch',
      'POST /v1/jobs/{id}/cancel',
      'POST /v1/jobs/{id}/pause',
      'POST /v1/jobs/{id}/resume',
      'POST /v1/jobs/{id}/retry',
      'GET /v1/jobs/{id}/stages',
      'GET /v1/jobs/{id}/events',
      'GET /v1/schedules',
      'POST /v1/schedules',
      'GET /v1/schedules/{id}',
      'PATCH /v1/schedules/{id}',
      'DELETE /v1/schedules/{id}',
      'POST /v1/schedules/{id}/trigger',
      'GET /v1/schedules/{id}/firings',
      'GET /v1/runs/{id}',
      'GET /v1/runs/{id}/metrics',
      'GET /v1/keys',
      'GET /v1/keys/{id}',
      'GET /v1/models/{digest}',
      'GET /v1/targets',
      'GET /v1/tenant',
      'GET /v1/webhooks',
      'POST /v1/webhooks',
      'GET /v1/webhooks/{id}',
      'PATCH /v1/webhooks/{id}',
      'DELETE /v1/webhooks/{id}',
      'POST /v1/webhooks/{id}/secret',
      'POST /v1/webhooks/{id}/ping',
      'GET /v1/webhooks/{id}/deliveries',
      'GET /v1/webhooks/{id}/deliveries/{delivery}',
      'POST /v1/webhooks/{id}/deliveries/{delivery}/redeliver',
    ].sort(),
  );
  const operations = Object.values(document.paths).flatMap((methods) => Object.values(methods));
  for (const operation of operations) expect(operation.summary).toBeTruthy();
  expect(new Set(operations.map((operation) => operation.operationId)).size).toBe(operations.length);
});

it('names the resources as components and refers to nothing that is not there', () => {
  const names = Object.keys(document.components.schemas);
  for (const name of ['Dataset', 'Prior', 'Job', 'Run', 'JobEvent', 'Problem', 'JobCreateInput'])
    expect(names).toContain(name);
  const references = JSON.stringify(document).match(/#\/components\/schemas\/[\w.]+/g) ?? [];
  expect(references.length).toBeGreaterThan(0);
  for (const reference of new Set(references)) expect(names).toContain(reference.split('/').at(-1));
});

it('says what webhooks receive', () => {
  expect(Object.keys(document.webhooks)).toEqual(['event']);
  expect(JSON.stringify(document.webhooks)).toContain('"#/components/schemas/WebhookPayload"');
  expect(JSON.stringify(document.components.schemas.WebhookPayload)).toContain('job.succeeded');
});

it('shows examples that the schemas accept', () => {
  for (const [name, { schema, bodies }] of Object.entries(examples)) {
    for (const body of bodies) expect(schema.safeParse(body).error?.issues).toBeUndefined();
    expect(document.components.schemas[`${name}Input`]?.examples).toEqual(bodies);
  }
});

it('has a page at /docs', async () => {
  const page = await fetch(`${service.url}/docs`);
  expect(page.status).toBe(200);
  expect(await page.text()).toContain('swagger');
});
