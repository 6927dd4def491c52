/**
 * Every operation of the OpenAPI document, asked without a key, with too small a scope, and by another tenant with everything that this one
 * has. A route that is added is asked as well; one with a body has to be given a body below before this passes.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { collect } from '../testing/collect.js';
import { startService, type TestService } from '../testing/service.js';
import { addReadyDataset, manifest, smallJob, workOff } from '../testing/work.js';

interface Operation {
  id: string;
  method: string;
  path: string;
  parameters: { name: string; in: string; schema: { type?: string } }[];
}

let service: TestService;
let operations: Operation[];
/** What the first tenant has: whatever names a thing of it. */
let owned: string[];
let before: string[];
/** Of paths with two names, what belongs together. */
let pairs: [string, string][];
const keys: Record<'owner' | 'other' | 'submit' | 'read', string> = {
  owner: '',
  other: '',
  submit: '',
  read: '',
};

const random = { kind: 'random', backbone: { name: 'resnet18-narrow' }, imageSize: 16, channels: 1, seed: 1 };

/** Bodies that name a thing of another tenant wherever an operation takes one; null: no body. */
const BODIES: Record<string, ((value: string) => unknown) | null> = {
  uploadArtifact: () => Buffer.from('bytes of the other tenant'),
  createDataset: () => ({ name: 'mine', source: { kind: 'recipe', recipe: 'mnist' } }),
  retryDataset: null,
  createPrior: (value) => ({ name: 'mine', source: { kind: 'artifact', digest: value } }),
  createJob: (value) => ({ ...smallJob(value), prior: value }),
  createJobs: (value) => `${JSON.stringify(smallJob(value))}\n`,
  cancelJob: null,
  pauseJob: null,
  resumeJob: null,
  retryJob: () => ({}),
  createKey: () => ({ name: 'mine', scope: 'read' }),
  rotateKey: () => ({ graceSeconds: 0 }),
  revokeKey: null,
  createWebhook: () => ({ url: 'https://example.org/hook' }),
  updateWebhook: () => ({ enabled: false }),
  deleteWebhook: null,
  renewWebhookSecret: null,
  pingWebhook: null,
  redeliverWebhookDelivery: null,
  createSchedule: (value) => ({ name: 'mine', cron: '@daily', job: smallJob(value) }),
  updateSchedule: () => ({ paused: true }),
  deleteSchedule: null,
  triggerSchedule: null,
};
/** Of operations that take several kinds of things, the others. */
const FURTHER: Record<string, ((value: string) => unknown)[]> = {
  createPrior: [
    (value) => ({ name: 'mine', source: { kind: 'model', digest: value } }),
    (value) => ({ name: 'mine', source: { kind: 'tfjs', files: { 'model.json': value } } }),
  ],
  createJob: [
    (value) => ({ ...smallJob('shared'), prior: { auto: [value, value] } }),
    (value) => ({ ...smallJob('shared'), prior: { blend: [{ prior: value }, { prior: value }] } }),
    (value) => withRun({ continueFrom: value }),
    (value) => withRun({ init: { run: value } }),
    (value) => withRun({ init: { artifact: value } }),
    (value) => withRun({ evaluation: { transfer: [value] } }),
    (value) => ({ ...smallJob('shared'), prior: { run: value } }),
    (value) => ({ ...smallJob('shared'), after: [value] }),
    (value) => ({ ...smallJob('shared'), matrix: { prior: [value] } }),
  ],
};

function withRun(fields: object) {
  const job = smallJob('shared');
  return { ...job, runs: job.runs?.map((run) => ({ ...run, ...fields })) };
}

const contentTypes: Record<string, string> = {
  uploadArtifact: 'application/octet-stream',
  createJobs: 'application/x-ndjson',
};

async function ask(
  { id, method, path }: Pick<Operation, 'id' | 'method' | 'path'>,
  key: string | null,
  body: unknown,
): Promise<{ status: number; text: string }> {
  const hasBody = body !== undefined && body !== null;
  const response = await fetch(`${service.url}${path}`, {
    method,
    headers: {
      accept: 'application/json',
      ...(key === null ? {} : { authorization: `Bearer ${key}` }),
      ...(hasBody ? { 'content-type': contentTypes[id] ?? 'application/json' } : {}),
    },
    ...(hasBody
      ? { body: typeof body === 'string' || body instanceof Buffer ? body : JSON.stringify(body) }
      : {}),
  });
  return { status: response.status, text: await response.text() };
}

const filled = (operation: Operation, value: string): Operation => ({
  ...operation,
  path: operation.path.replace(/\{\w+\}/g, encodeURIComponent(value)),
});

const bodyOf = (operation: Operation, value: string): unknown => BODIES[operation.id]?.(value);

async function tenant(name: string): Promise<string> {
  const { id } = await service.database.tenants.create(name);
  return (await service.database.of(id).apiKeys.create({ name: 'first', scope: 'admin' })).secret;
}

/** What to ask an operation with: everything, where it takes what names a thing. */
function valuesFor(operation: Operation): string[] {
  const takes =
    operation.path.includes('{') ||
    operation.parameters.some((one) => one.in === 'query') ||
    JSON.stringify(bodyOf(operation, 'one')) !== JSON.stringify(bodyOf(operation, 'other'));
  return takes ? owned : owned.slice(0, 1);
}

/** Every row that is not of the other tenant, as text. */
async function rowsOfOwner(): Promise<string[]> {
  const { dumpRows } = await import('@rela/database');
  const other = (await service.as(keys.other).keys.self()).id;
  const rows: string[] = [];
  for await (const { table, lines } of dumpRows(service.postgres.url))
    if (!['api_key', 'tenant', 'artifact'].includes(table))
      rows.push(...lines.filter((line) => !line.includes(other)));
  return rows;
}

beforeAll(async () => {
  service = await startService({ API_AUTHENTICATION: 'required' });
  const document = (await (await fetch(`${service.url}/openapi.json`)).json()) as {
    paths: Record<string, Record<string, { operationId: string; parameters?: Operation['parameters'] }>>;
  };
  operations = Object.entries(document.paths)
    .filter(([path]) => path.startsWith('/v1/'))
    .flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, { operationId, parameters = [] }]) => ({
        ...{ id: operationId, method: method.toUpperCase(), path, parameters },
      })),
    );
  keys.owner = await tenant('vision');
  keys.other = await tenant('speech');
  const client = service.as(keys.owner);
  keys.submit = (await client.keys.create({ name: 'submits', scope: 'submit' })).secret;
  keys.read = (await client.keys.create({ name: 'reads', scope: 'read' })).secret;
  const own = { ...service, client };
  const dataset = await addReadyDataset(own, 'secret-shapes');
  const prior = await client.priors.create({ name: 'secret-prior', source: random as never });
  const upload = await client.artifacts.upload(Buffer.from('secret bytes'));
  const job = await client.jobs.create(smallJob(dataset.name, 'secret-job'));
  await workOff(own, job.id, Buffer.from('a secret model'));
  const waiting = await client.jobs.create(smallJob(dataset.name, 'secret-wait'));
  const webhook = await client.webhooks.create({ url: 'https://example.org/hook' });
  const delivery = await client.webhooks.ping(webhook.id);
  const schedule = await client.schedules.create({
    name: 'secret-nightly',
    cron: '@daily',
    job: smallJob(dataset.name),
  });
  pairs = [[webhook.id, delivery.id]];
  const [run] = job.runs;
  const { result } = await client.runs.get(run!.id);
  const ownKeys = await collect(client.keys.all());
  owned = [
    ...['secret-shapes', 'secret-prior', 'secret-job', 'secret-wait'],
    ...[dataset.id, dataset.digest!, prior.id, prior.digest, prior.model, upload.digest],
    ...[job.id, waiting.id, run!.id, waiting.runs[0]!.id, result!.model!, result!.weights!],
    ...[webhook.id, delivery.id, schedule.id, 'secret-nightly'],
    ...ownKeys.map(({ id }) => id),
  ];
  // So that a refusal is for what is another tenant's, and not for the rest of the body.
  const theirs = { ...service, client: service.as(keys.other) };
  await addReadyDataset(theirs, 'shared', { ...manifest, classes: ['long', 'short'] });
  before = await rowsOfOwner();
}, 120_000);

afterAll(() => service.close());

describe('every operation', () => {
  it('is asked here, and given a body where it takes one', () => {
    const writing = operations.filter(({ method }) => method !== 'GET').map(({ id }) => id);
    expect(operations.length).toBeGreaterThan(25);
    expect(Object.keys(BODIES).sort()).toEqual(writing.sort());
  });

  it('is refused without a key, and with one that is none', async () => {
    for (const operation of operations)
      for (const key of [null, 'rela_0123456789012345678901234567890123456789012'])
        expect(await ask(filled(operation, owned[0]!), key, bodyOf(operation, owned[0]!))).toMatchObject({
          status: expect.toSatisfy((status: number) => status === 401 || status === 429, operation.id),
        });
  });

  it('that changes something is refused to a key that may read', async () => {
    for (const operation of operations.filter(({ method }) => method !== 'GET')) {
      const { status } = await ask(filled(operation, owned[0]!), keys.read, bodyOf(operation, owned[0]!));
      expect(status, operation.id).toBe(403);
    }
  });

  it('on keys is refused to a key that may submit', async () => {
    for (const operation of operations.filter(({ path }) => path.startsWith('/v1/keys'))) {
      const { status } = await ask(filled(operation, owned[0]!), keys.submit, bodyOf(operation, owned[0]!));
      expect(status, operation.id).toBe(403);
    }
  });

  it('shows another tenant nothing of this one', async () => {
    for (const operation of operations)
      for (const value of valuesFor(operation)) {
        const isNamed = operation.path.includes('{');
        const asked = filled(operation, value);
        for (const body of [BODIES[operation.id], ...(FURTHER[operation.id] ?? [])]) {
          const { status, text } = await ask(asked, keys.other, body?.(value));
          const where = `${operation.id} with ${value}: ${status} ${text.slice(0, 300)}`;
          // A thing that is named in the path is not there; what it is told then may repeat what it sent, and nothing else.
          if (isNamed) expect([400, 404], where).toContain(status);
          for (const other of owned.filter((one) => one !== value)) expect(text, where).not.toContain(other);
          // A line of a batch that is refused may, too.
          if (status < 300 && !text.includes('"problem":')) expect(text, where).not.toContain(value);
        }
        for (const { name } of operation.parameters.filter((one) => one.in === 'query')) {
          const path = `${asked.path}?${name}=${encodeURIComponent(value)}`;
          const { text } = await ask({ ...asked, path }, keys.other, bodyOf(operation, value));
          for (const other of owned.filter((one) => one !== value))
            expect(text, `${operation.id} with ${name}=${value}`).not.toContain(other);
        }
      }
  }, 300_000);

  it('has changed nothing of this one by then', async () => {
    const after = new Set(await rowsOfOwner());
    expect(before.length).toBeGreaterThan(20);
    expect(before.filter((row) => !after.has(row))).toEqual([]);
    expect((await service.as(keys.owner).jobs.list({})).items).toHaveLength(2);
  });

  it('shows its own tenant what it has', async () => {
    const client = service.as(keys.read);
    expect((await client.jobs.list({})).items.map(({ name }) => name)).toEqual(['secret-wait', 'secret-job']);
    expect(await client.datasets.get('secret-shapes')).toMatchObject({ status: 'ready' });
    expect(await client.priors.get('secret-prior')).toMatchObject({ name: 'secret-prior' });
  });
});

it('shows another tenant nothing of this one by two names that belong together', async () => {
  const nested = operations.filter(({ path }) => path.split('{').length === 3);
  expect(nested.length).toBeGreaterThan(0);
  for (const operation of nested)
    for (const [outer, inner] of pairs) {
      const path = operation.path.replace(/\{\w+\}/, outer).replace(/\{\w+\}/, inner);
      const body = bodyOf(operation, outer);
      expect((await ask({ ...operation, path }, keys.other, body)).status, operation.id).toBe(404);
      // The names are right: their own tenant finds them.
      if (operation.method === 'GET')
        expect((await ask({ ...operation, path }, keys.owner, null)).status).toBe(200);
    }
});

it('gives nothing of another for a class that is called like its digest', async () => {
  const foreign = owned.find((value) => value.startsWith('sha256:'))!;
  const theirs = { ...service, client: service.as(keys.other) };
  const { digest } = await addReadyDataset(theirs, 'named', { ...manifest, classes: [foreign, 'other'] });
  const download = (one: string) =>
    ask({ id: 'downloadArtifact', method: 'GET', path: `/v1/artifacts/${one}` }, keys.other, null);
  expect((await download(digest!)).status).toBe(200);
  expect((await download(foreign)).status).toBe(404);
});

it('tells a tenant that uploads what another has nothing of when that one did, nor as what', async () => {
  const bytes = Buffer.from('the same bytes');
  const first = await service.as(keys.owner).artifacts.upload(bytes, { mediaType: 'image/png' });
  const second = await service.as(keys.other).artifacts.upload(bytes, { mediaType: 'image/webp' });
  expect(second).toMatchObject({ digest: first.digest, mediaType: 'image/webp' });
  expect(second.createdAt > first.createdAt).toBe(true);
});

it('reads no file of the service for a tenant that names its path', async () => {
  const own = service.as(keys.other);
  const path = service.folder;
  const forbidden = { code: 'forbidden', status: 403 };
  await expect(own.priors.create({ name: 'p', source: { kind: 'path', path } })).rejects.toMatchObject(
    forbidden,
  );
  await expect(own.datasets.create({ name: 'd', source: { kind: 'folder', path } })).rejects.toMatchObject(
    forbidden,
  );
});

it('gives the members of a data set to who may read its manifest, once it was read, and to no other tenant', async () => {
  const client = service.as(keys.owner);
  const { store } = service;
  const shard = await store.write(Buffer.from('a shard'));
  const shards = [{ digest: shard.digest, count: 1, bytes: shard.bytes }];
  const text = JSON.stringify({ ...manifest, splits: { train: { count: 1, shards }, test: null } });
  const list = await store.write(Buffer.from(text));
  const own = service.database.of((await client.keys.self()).id);
  const download = (key: string, digest: string) =>
    ask({ id: 'downloadArtifact', method: 'GET', path: `/v1/artifacts/${digest}` }, key, null);
  // The same bytes, uploaded: no list of the service, so it opens nothing.
  await service.as(keys.other).artifacts.upload(Buffer.from(text));
  expect((await download(keys.other, list.digest)).status).toBe(200);
  expect((await download(keys.other, shard.digest)).status).toBe(404);
  expect((await download(keys.owner, list.digest)).status).toBe(404);
  await own.artifacts.grantMembers(list.digest, [shard.digest]);
  expect((await download(keys.owner, shard.digest)).text).toBe('a shard');
  expect((await download(keys.other, shard.digest)).status).toBe(404);
});
