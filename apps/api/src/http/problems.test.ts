import { connect } from 'node:net';
import { Problem } from '@rela/contracts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startService, type TestService } from '../testing/service.js';

let service: TestService;
beforeAll(async () => {
  service = await startService();
});
afterAll(() => service.close());

interface Sent {
  method?: 'GET' | 'POST' | 'DELETE';
  type?: string;
  body?: string;
}

async function problemOf(path: string, { method = 'GET', type, body }: Sent = {}) {
  const response = await fetch(`${service.url}${path}`, {
    method,
    ...(type ? { headers: { 'content-type': type } } : {}),
    ...(body === undefined ? {} : { body }),
  });
  expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  const problem = Problem.parse(await response.json());
  expect(problem.status).toBe(response.status);
  expect(problem.type).toBe(`urn:rela:problem:${problem.code}`);
  expect(problem.instance).toBe(`urn:rela:request:${response.headers.get('x-request-id')}`);
  return { ...problem, headers: response.headers };
}

const json = (body: unknown): Sent => ({
  method: 'POST',
  type: 'application/json',
  body: typeof body === 'string' ? body : JSON.stringify(body),
});

it('answers a path that does not exist with 404 and the nearest one that does', async () => {
  const problem = await problemOf('/v1/job');
  expect(problem).toMatchObject({ status: 404, code: 'not-found' });
  expect(problem.detail).toContain('/v1/jobs');
});

it('answers a method that a path does not offer with 405 and Allow', async () => {
  const problem = await problemOf('/v1/jobs/job_1', { method: 'DELETE' });
  expect(problem).toMatchObject({ status: 405, code: 'method-not-allowed' });
  expect(problem.headers.get('allow')).toContain('GET');
});

it('says where malformed JSON is wrong, without quoting it', async () => {
  const problem = await problemOf('/v1/jobs', json('{"secret": }'));
  expect(problem).toMatchObject({ status: 400, code: 'invalid-request' });
  expect(problem.detail).toMatch(/not JSON: there is a "}"/);
  expect(problem.detail).not.toContain('secret');
});

it('says that a body is missing', async () => {
  for (const sent of [json(''), json('null'), { method: 'POST' as const }])
    expect((await problemOf('/v1/datasets', sent)).detail).toContain('body is missing');
});

it('refuses a body that poisons prototypes', async () => {
  expect((await problemOf('/v1/jobs', json('{"__proto__": {"x": 1}}'))).status).toBe(400);
});

it('refuses a content type that is not JSON', async () => {
  const problem = await problemOf('/v1/datasets', { method: 'POST', type: 'application/xml', body: '<a/>' });
  expect(problem).toMatchObject({ status: 415, code: 'unsupported-media-type' });
});

it('refuses a JSON body of more than a mebibyte', async () => {
  const problem = await problemOf('/v1/datasets', json({ name: 'x'.repeat(1.5 * 1024 ** 2) }));
  expect(problem).toMatchObject({ status: 413, code: 'payload-too-large' });
});

it('names a misspelled field and the nearest valid one', async () => {
  const problem = await problemOf(
    '/v1/jobs',
    json({ dataset: 'd', runs: [{ name: 'a', method: { name: 'byol' }, dataRatoi: 0.5 }] }),
  );
  expect(problem).toMatchObject({ status: 400, code: 'invalid-request' });
  expect(problem.errors).toEqual([
    { field: 'runs[0].dataRatoi', message: expect.stringContaining('"dataRatio"') },
  ]);
});

it('refuses data ratios of 0 and of 1.5 by field', async () => {
  for (const dataRatio of [0, 1.5]) {
    const body = { dataset: 'd', runs: [{ name: 'a', method: { name: 'byol' }, dataRatio }] };
    expect((await problemOf('/v1/jobs', json(body))).errors?.[0]?.field).toBe('runs[0].dataRatio');
  }
});

it('refuses a bad cursor, a bad limit and a bad escape', async () => {
  expect((await problemOf('/v1/jobs?cursor=nonsense')).errors?.[0]?.field).toBe('cursor');
  expect((await problemOf('/v1/datasets?limit=0')).errors?.[0]?.field).toBe('limit');
  expect((await problemOf('/v1/jobs/%E0%A4%A')).status).toBe(400);
});

it('hides what an unexpected error says', async () => {
  await service.store.write(new Uint8Array([1]));
  const { id } = await service.client.datasets.create({
    name: 'broken',
    source: { kind: 'recipe', recipe: 'mnist' },
  });
  const { outbox, stages } = service.database;
  const [message] = await outbox.take(1);
  const claim = await stages.claim({ ...message!, worker: 'test', leaseSeconds: 60 });
  // A manifest that is no manifest: nothing a client could have done.
  const { digest } = await service.store.write(new TextEncoder().encode('{"inner": "text"}'));
  await stages.succeed(
    claim!,
    { kind: 'ingest', manifest: digest, bytes: 1, undecodable: { count: 0, examples: [] }, seconds: 1 },
    { facts: { manifest: (await import('../testing/work.js')).manifest } },
  );
  const problem = await problemOf(
    '/v1/jobs',
    json({ dataset: id, runs: [{ name: 'a', method: { name: 'byol' } }] }),
  );
  expect(problem).toMatchObject({ status: 500, code: 'internal' });
  expect(JSON.stringify(problem)).not.toMatch(/inner|manifest|zod|at \//i);
});

it('answers what is not HTTP with a problem too', async () => {
  const { port } = new URL(service.url);
  const answer = await new Promise<string>((resolve, reject) => {
    const socket = connect(Number(port), '127.0.0.1', () => socket.write('nonsense\r\n\r\n'));
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.on('close', () => resolve(text));
    socket.on('error', reject);
  });
  expect(answer).toMatch(/^HTTP\/1\.1 400 /);
  expect(Problem.parse(JSON.parse(answer.split('\r\n\r\n')[1] ?? '')).code).toBe('invalid-request');
});

it('answers a HEAD that is too long with headers alone, so that nothing is taken for the next answer', async () => {
  const { hostname, port } = new URL(service.url);
  const socket = connect(Number(port), hostname);
  socket.write(`HEAD /v1/jobs/${'x'.repeat(100_000)} HTTP/1.1\r\nhost: a\r\n\r\n`);
  let answer = '';
  for await (const chunk of socket.setEncoding('utf8')) answer += chunk;
  expect(answer).toMatch(/^HTTP\/1\.1 431 /);
  expect(answer.endsWith('\r\n\r\n')).toBe(true);
});
