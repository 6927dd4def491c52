/** From an event in a real database to a receiver over HTTP, whatever dies or dawdles on the way. */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { env } from 'node:process';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { loadConfig } from '@rela/config';
import { DatasetCreate, WebhookCreate, WebhookPayload } from '@rela/contracts';
import {
  type Database,
  type EmbeddedPostgres,
  migrate,
  openDatabase,
  startEmbeddedPostgres,
} from '@rela/database';
import pg from 'pg';
import { pino } from 'pino';
import { Webhook } from 'standardwebhooks';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { startOrchestrator } from '../index.js';

const PATIENCE = { timeout: 40_000, interval: 20 };
const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url));

let folder: string;
let postgres: EmbeddedPostgres;
let database: Database;
const closers: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rela-webhooks-'));
  postgres = await startEmbeddedPostgres({ folder });
  await migrate(postgres.url);
  database = await openDatabase(postgres.url);
});
afterEach(async () => {
  await Promise.all(closers.splice(0).map((close) => close()));
  await sql('DELETE FROM webhook');
});
afterAll(async () => {
  await database?.close();
  await postgres?.stop();
  await rm(folder, { recursive: true, force: true });
});

async function sql(statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: postgres.url });
  await client.connect();
  await client.query(statement).finally(() => client.end());
}

interface Received {
  headers: IncomingHttpHeaders;
  body: string;
}

/** @param answer is told how many requests came before */
async function receiver(answer: (response: ServerResponse, before: number) => void) {
  const received: Received[] = [];
  const server = createServer(async (request, response) => {
    received.push({ headers: request.headers, body: await text(request) });
    answer(response, received.length - 1);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(async () => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, received };
}

const settings = (more = {}) => ({
  ...{ DATABASE_URL: postgres.url, QUEUE_URL: postgres.url, PRIVATE_ADDRESSES: 'true', RELA_HOME: folder },
  ...more,
});

/** @returns a function that stops it */
async function orchestrate({
  schedule = [0.01, 0.01, 0.01],
  ...more
}: {
  schedule?: number[];
  PRIVATE_ADDRESSES?: string;
} = {}) {
  const log = pino({ level: 'silent' });
  const options = { log, deliverySchedule: schedule };
  const orchestrator = await startOrchestrator(loadConfig(settings(more)), options);
  let stopped: Promise<void> | null = null;
  const stop = () => {
    stopped ??= orchestrator.stop();
    return stopped;
  };
  closers.push(stop);
  return stop;
}

const add = (url: string, more: object = {}) =>
  database.webhooks.create(WebhookCreate.parse({ url, ...more }));
const log = async (id: string) => (await database.webhooks.deliveries(id, { limit: 200 })).items;
const ids = (received: Received[]) => received.map(({ headers }) => headers['webhook-id']);

/** A job of targets alone that comes to its end at once. @returns its id */
async function cancelledJob(): Promise<string> {
  const input = DatasetCreate.parse({ name: 'digits', source: { kind: 'folder', path: '/nowhere' } });
  const { dataset } = await database.datasets.create(input);
  const { id } = await database.jobs.create({
    ...{
      name: 'short',
      datasetId: dataset.id,
      priorId: null,
      reuse: false,
      labels: {},
      priority: 0,
      limits: {},
      runs: [],
    },
    stages: [
      {
        ...{ ref: 'reduce', kind: 'reduce', runRef: null, resultKey: 'reduce', dependsOn: [], after: [] },
        input: { kind: 'reduce', dataset: `sha256:${'0'.repeat(64)}`, prior: 'any', k: 1, embedKeys: [] },
      },
    ],
  });
  await database.jobs.cancel(id);
  return id;
}

it('brings the end of a job to a receiver, signed so that the library of the specification verifies it', async () => {
  const { url, received } = await receiver((response) => response.end('thanks'));
  const { id, secret } = await add(url);
  await orchestrate();
  const jobId = await cancelledJob();
  await vi.waitFor(() => expect(received).toHaveLength(1), PATIENCE);
  const [{ headers, body }] = received as [Received];
  const payload = WebhookPayload.parse(new Webhook(secret).verify(body, headers as Record<string, string>));
  expect(payload).toMatchObject({ type: 'job.cancelled', data: { job: { id: jobId, status: 'cancelled' } } });
  await vi.waitFor(async () => expect((await log(id))[0]).toMatchObject({ status: 'delivered' }), PATIENCE);
  expect(await log(id)).toMatchObject([
    {
      id: headers['webhook-id'],
      type: 'job.cancelled',
      jobId,
      attempts: [{ number: 1, status: 200, answer: 'thanks' }],
    },
  ]);
});

it('tries again where a receiver fails, under the same id and with the same body, and then is content', async () => {
  const { url, received } = await receiver((response, before) => {
    response.writeHead(before < 2 ? 500 : 204).end(before < 2 ? 'down' : '');
  });
  const { id, secret } = await add(url);
  await orchestrate();
  await cancelledJob();
  await vi.waitFor(async () => expect((await log(id))[0]).toMatchObject({ status: 'delivered' }), PATIENCE);
  expect(received).toHaveLength(3);
  expect(new Set(ids(received)).size).toBe(1);
  for (const { headers, body } of received) {
    expect(body).toBe(received[0]!.body);
    expect(new Webhook(secret).verify(body, headers as Record<string, string>)).toBeTruthy();
  }
  const [delivery] = await log(id);
  expect(delivery!.attempts.map(({ number, status, error }) => [number, status, error])).toEqual([
    [3, 204, null],
    [2, 500, 'It answered 500.'],
    [1, 500, 'It answered 500.'],
  ]);
});

it('gives up when every try has failed, and sends again when it is asked to', async () => {
  const { url, received } = await receiver((response, before) =>
    response.writeHead(before < 4 ? 500 : 200).end(),
  );
  const { id } = await add(url);
  await orchestrate();
  await cancelledJob();
  await vi.waitFor(async () => expect((await log(id))[0]).toMatchObject({ status: 'failed' }), PATIENCE);
  expect(received).toHaveLength(4);
  const [delivery] = await log(id);
  expect(delivery).toMatchObject({ nextAttemptAt: null, attempts: [{ number: 4 }, {}, {}, {}] });
  await database.webhooks.redeliver(id, delivery!.id);
  await vi.waitFor(async () => expect((await log(id))[0]).toMatchObject({ status: 'delivered' }), PATIENCE);
  expect(new Set(ids(received))).toEqual(new Set([delivery!.id]));
});

it('switches a webhook off that answers 410', async () => {
  const { url, received } = await receiver((response) => response.writeHead(410).end());
  const { id } = await add(url);
  await orchestrate();
  await cancelledJob();
  await vi.waitFor(
    async () => expect(await database.webhooks.get(id)).toMatchObject({ enabled: false }),
    PATIENCE,
  );
  expect((await database.webhooks.get(id)).disabledReason).toContain('410');
  expect(await log(id)).toMatchObject([{ status: 'failed' }]);
  await cancelledJob();
  expect(received).toHaveLength(1);
  expect(await log(id)).toHaveLength(1);
});

it('delivers to others while receivers never answer', async () => {
  const silent = await receiver(() => undefined);
  const quick = await receiver((response) => response.end());
  const dead = await Promise.all(Array.from({ length: 5 }, () => add(silent.url)));
  const { id } = await add(quick.url);
  await orchestrate();
  for (let count = 0; count < 10; count++) await cancelledJob();
  await vi.waitFor(() => expect(new Set(ids(quick.received)).size).toBe(10), PATIENCE);
  await vi.waitFor(
    async () => expect(new Set((await log(id)).map(({ status }) => status))).toEqual(new Set(['delivered'])),
    PATIENCE,
  );
  // A few of each are under way; none has ended.
  for (const hook of dead) {
    const deliveries = await log(hook.id);
    expect(deliveries.filter(({ attempts }) => attempts.length > 0)).toHaveLength(4);
    expect(new Set(deliveries.map(({ status }) => status))).toEqual(new Set(['pending']));
  }
  expect(silent.received).toHaveLength(20);
});

it('delivers each event once where two orchestrators run', async () => {
  const { url, received } = await receiver((response) => response.end());
  const { id } = await add(url, { events: ['job.cancelled'] });
  await Promise.all([orchestrate(), orchestrate()]);
  const jobs: string[] = [];
  // As many at once as there are connections.
  for (let count = 0; count < 5; count++)
    jobs.push(...(await Promise.all(Array.from({ length: 5 }, () => cancelledJob()))));
  await vi.waitFor(
    async () => expect((await log(id)).filter(({ status }) => status === 'delivered')).toHaveLength(25),
    PATIENCE,
  );
  expect(received).toHaveLength(25);
  const told = received.map(
    ({ body }) => (WebhookPayload.parse(JSON.parse(body)).data as { job: { id: string } }).job.id,
  );
  expect(told.sort()).toEqual(jobs.sort());
});

async function startProcess(): Promise<ChildProcess> {
  const child = fork(MAIN, [], {
    env: { ...env, ...settings(), LOG_LEVEL: 'warn' },
    ...{ execArgv: [], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] },
  });
  expect((await once(child, 'message'))[0]).toEqual({ type: 'ready' });
  return child;
}

it('delivers again, under the same id, what a process had sent when it was killed before it noted the answer', async () => {
  const child = await startProcess();
  const { url, received } = await receiver((response, before) => {
    // It has arrived; whoever sent it never learns.
    if (before === 0) child.kill('SIGKILL');
    else response.end();
  });
  const { id } = await add(url);
  const exit = once(child, 'exit');
  const jobId = await cancelledJob();
  expect(await exit).toEqual([null, 'SIGKILL']);
  expect(await log(id)).toMatchObject([{ status: 'pending', attempts: [{ number: 1, milliseconds: null }] }]);
  await orchestrate();
  await sql(`UPDATE webhook_delivery SET lease_until = now() - interval '1 s'`);
  await vi.waitFor(async () => expect((await log(id))[0]).toMatchObject({ status: 'delivered' }), PATIENCE);
  expect(ids(received)).toEqual([ids(received)[0], ids(received)[0]]);
  expect(await log(id)).toMatchObject([
    {
      jobId,
      attempts: [
        { number: 2, status: 200 },
        { number: 1, error: expect.stringContaining('ended before it noted') },
      ],
    },
  ]);
});

it('hands back at a shutdown what is still waited for, and the next one sends it', async () => {
  const { url, received } = await receiver((response, before) => {
    if (before > 0) response.end();
  });
  const { id } = await add(url);
  const stop = await orchestrate();
  await cancelledJob();
  await vi.waitFor(() => expect(received).toHaveLength(1), PATIENCE);
  await stop();
  expect(await log(id)).toMatchObject([
    { status: 'pending', attempts: [{ error: expect.stringContaining('was stopped') }] },
  ]);
  await orchestrate({ schedule: [] });
  await vi.waitFor(async () => expect((await log(id))[0]).toMatchObject({ status: 'delivered' }), PATIENCE);
  expect(new Set(ids(received)).size).toBe(1);
});

it('reaches no private address by a name, and follows no redirect to one', async () => {
  const inside = await receiver((response) => response.end('secret'));
  const { port } = new URL(inside.url);
  const named = await add(`http://localhost:${port}/`);
  const stop = await orchestrate({ PRIVATE_ADDRESSES: 'false', schedule: [] });
  await database.webhooks.ping(named.id);
  await vi.waitFor(
    async () => expect((await log(named.id))[0]).toMatchObject({ status: 'failed' }),
    PATIENCE,
  );
  expect((await log(named.id))[0]!.attempts).toMatchObject([
    {
      status: null,
      answer: null,
      error: 'localhost is an address of a private network, which webhooks may not call (PRIVATE_ADDRESSES).',
    },
  ]);
  await stop();
  const door = await receiver((response) => response.writeHead(307, { location: inside.url }).end());
  const redirected = await add(door.url);
  await orchestrate({ schedule: [] });
  await database.webhooks.ping(redirected.id);
  await vi.waitFor(
    async () => expect((await log(redirected.id))[0]).toMatchObject({ status: 'failed' }),
    PATIENCE,
  );
  expect((await log(redirected.id))[0]!.attempts).toMatchObject([
    { status: 307, error: expect.stringContaining('not followed') },
  ]);
  expect(inside.received).toEqual([]);
});

it('is taken by the receiver that docs/webhooks.md shows', async () => {
  const page = await readFile(new URL('../../../../docs/webhooks.md', import.meta.url), 'utf8');
  const [, program] = /```js\n([^`]+)```/.exec(page)!;
  const { id, secret } = await add('http://127.0.0.1:9000/');
  // At a port that it finds itself: one that is looked for here may be taken until it listens.
  const anywhere = program!.replace(
    'listen(9000)',
    'listen(0, function () { console.log(this.address().port); })',
  );
  const child = spawn(process.execPath, ['--input-type=module', '--eval', anywhere], {
    ...{ cwd: fileURLToPath(new URL('.', import.meta.url)), env: { ...env, WEBHOOK_SECRET: secret } },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exit = once(child, 'exit');
  closers.push(async () => {
    child.kill();
    await exit;
  });
  let shown = '';
  child.stdout.on('data', (piece) => {
    shown += piece;
  });
  const [, port] = await vi.waitUntil(() => /^(\d+)\n/.exec(shown), PATIENCE);
  await database.webhooks.update(id, { url: `http://127.0.0.1:${port}/` });
  await orchestrate({ schedule: Array(200).fill(0.2) });
  const jobId = await cancelledJob();
  await vi.waitFor(async () => expect((await log(id))[0]).toMatchObject({ status: 'delivered' }), PATIENCE);
  const [delivery] = await log(id);
  expect(delivery!.attempts[0]).toMatchObject({ status: 204 });
  expect(shown).toBe(`${port}\n${delivery!.id} job.cancelled ${jobId}\n`);
  const unsigned = await fetch(`http://127.0.0.1:${port}/`, {
    method: 'POST',
    body: '{"type":"job.failed"}',
  });
  expect(unsigned.status).toBe(400);
});
