import { afterEach, expect, it } from 'vitest';
import { RelaClient } from './client.js';
import { RelaApiError, RelaConnectionError } from './errors.js';
import { job, problem } from './testing/resources.js';
import { sendJson, serve, type TestServer } from './testing/server.js';

let server: TestServer | undefined;
afterEach(() => server?.close());

const input = { dataset: 'd', runs: [{ name: 'a', method: { name: 'byol' as const } }] };

it('sends a POST again under the same key when the connection breaks or the service is away', async () => {
  server = await serve((request, response, before) => {
    if (before === 0) request.socket.destroy();
    else if (before === 1) sendJson(response, 503, problem('unavailable'), { 'retry-after': '0' });
    else if (before === 2) sendJson(response, 409, problem('idempotency-in-progress'));
    else sendJson(response, 202, job());
  });
  const client = new RelaClient({ baseUrl: server.url });
  expect(await client.jobs.create(input)).toEqual(job());
  const keys = server.requests.map((request) => request.headers['idempotency-key']);
  expect(keys).toHaveLength(4);
  expect(new Set(keys).size).toBe(1);
  expect(keys[0]).toBeTruthy();
});

it('takes a new key for a new request, or the key that it is given', async () => {
  server = await serve((_request, response) => sendJson(response, 202, job()));
  const client = new RelaClient({ baseUrl: server.url });
  await client.jobs.create(input);
  await client.jobs.create(input);
  await client.jobs.cancel('job_1', { idempotencyKey: 'mine' });
  const keys = server.requests.map((request) => request.headers['idempotency-key']);
  expect(keys[0]).not.toBe(keys[1]);
  expect(keys[2]).toBe('mine');
});

it('passes on the problem of a refused request at once', async () => {
  server = await serve((_request, response) => sendJson(response, 404, problem('not-found', 'No such job.')));
  const error: unknown = await new RelaClient({ baseUrl: server.url }).jobs
    .get('job_1')
    .catch((e: unknown) => e);
  expect(error).toBeInstanceOf(RelaApiError);
  expect(error).toMatchObject({ status: 404, code: 'not-found', message: 'No such job.' });
  expect(server.requests).toHaveLength(1);
});

it('gives up after as many attempts as it was told', async () => {
  server = await serve((_request, response) => sendJson(response, 503, problem('unavailable')));
  const client = new RelaClient({ baseUrl: server.url, attempts: 2 });
  await expect(client.jobs.get('job_1')).rejects.toMatchObject({ code: 'unavailable' });
  expect(server.requests).toHaveLength(2);
});

it('does not wait for a service that asks for minutes', async () => {
  server = await serve((_request, response) =>
    sendJson(response, 503, problem('unavailable'), { 'retry-after': '600' }),
  );
  await expect(new RelaClient({ baseUrl: server.url }).jobs.get('job_1')).rejects.toMatchObject({
    retryAfterSeconds: 600,
  });
});

it('says where nobody answers', async () => {
  const gone = await serve(() => undefined);
  await gone.close();
  const client = new RelaClient({ baseUrl: gone.url, attempts: 1 });
  const error: unknown = await client.health.live().catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(RelaConnectionError);
  expect((error as Error).message).toContain(gone.url);
});

it('describes an answer that is no problem document', async () => {
  server = await serve((_request, response) => response.writeHead(502).end('<html>bad gateway</html>'));
  const client = new RelaClient({ baseUrl: server.url, attempts: 1 });
  await expect(client.jobs.get('job_1')).rejects.toMatchObject({ status: 502, code: 'internal' });
});

it('stops trying when its signal is aborted', async () => {
  const stop = new AbortController();
  server = await serve((_request, response) => {
    sendJson(response, 503, problem('unavailable'));
    stop.abort(new Error('enough'));
  });
  const client = new RelaClient({ baseUrl: server.url });
  await expect(client.jobs.get('job_1', { signal: stop.signal })).rejects.toThrow();
  expect(server.requests).toHaveLength(1);
});

it('keeps a path in its address, and escapes what it puts behind', async () => {
  server = await serve((_request, response) => sendJson(response, 200, { items: [], next: null }));
  const client = new RelaClient({ baseUrl: `${server.url}/prefix` });
  await client.jobs.list({ limit: 5, status: 'failed' });
  await client.runs.metrics('a/b', { after: 3 });
  expect(server.requests.map((request) => request.url)).toEqual([
    '/prefix/v1/jobs?limit=5&status=failed',
    '/prefix/v1/runs/a%2Fb/metrics?after=3',
  ]);
});

it('walks pages by their cursors', async () => {
  server = await serve((request, response) => {
    const cursor = new URL(request.url ?? '', 'http://x').searchParams.get('cursor');
    sendJson(response, 200, { items: [job()], next: cursor === null ? 'second' : null });
  });
  const found = [];
  for await (const item of new RelaClient({ baseUrl: server.url }).jobs.all()) found.push(item);
  expect(found).toHaveLength(2);
});
