/** The orchestrator on a real database that carries the queue too. */
import { type ChildProcess, fork, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { env } from 'node:process';
import { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { loadConfig } from '@rela/config';
import { DatasetCreate, type StageMessage } from '@rela/contracts';
import {
  type Database,
  type EmbeddedPostgres,
  migrate,
  openDatabase,
  startEmbeddedPostgres,
} from '@rela/database';
import { consume, openQueue } from '@rela/queue';
import pg from 'pg';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { type Orchestrator, startOrchestrator } from './index.js';
import { Outages } from './outages.js';
import { requeueLost, resendMissing } from './recovery.js';
import { relayOutbox } from './relay.js';

const PATIENCE = { timeout: 40_000, interval: 50 };

let folder: string;
let postgres: EmbeddedPostgres;
let database: Database;
const closers: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rela-orchestrator-'));
  postgres = await startEmbeddedPostgres({ folder });
  await migrate(postgres.url);
  database = await openDatabase(postgres.url);
});
afterEach(async () => {
  await Promise.all(closers.splice(0).map((close) => close()));
  await sql('TRUNCATE dataset, stage, outbox CASCADE');
  await flushQueue();
});
afterAll(async () => {
  await database?.close();
  await postgres?.stop();
  await rm(folder, { recursive: true, force: true });
});

async function sql(text: string): Promise<void> {
  const client = new pg.Client({ connectionString: postgres.url });
  await client.connect();
  await client.query(text).finally(() => client.end());
}

const flushQueue = () =>
  sql(
    'DO $$ BEGIN TRUNCATE bullmq.job CASCADE; EXCEPTION WHEN undefined_table OR invalid_schema_name THEN NULL; END $$',
  );

const configFor = (queueUrl = postgres.url) =>
  loadConfig({ DATABASE_URL: postgres.url, QUEUE_URL: queueUrl, LOG_LEVEL: 'info' });

function recordingLog() {
  const lines: { level: number; msg: string; part?: string }[] = [];
  const stream = new Writable({
    write(chunk, _encoding, done) {
      lines.push(JSON.parse(String(chunk)));
      done();
    },
  });
  return { lines, log: pino({ level: 'info' }, stream) };
}

async function orchestrate(queueUrl?: string) {
  const { lines, log } = recordingLog();
  const orchestrator: Orchestrator = await startOrchestrator(configFor(queueUrl), { log });
  closers.push(() => orchestrator.stop());
  return lines;
}

/** A worker that only claims: what it got, and for how many of them the claim was its. */
async function claiming(queueUrl = postgres.url, leaseSeconds = 60) {
  const delivered: StageMessage[] = [];
  const claimed: StageMessage[] = [];
  const consumer = await consume(queueUrl, ['ingest'], {
    concurrency: { ingest: 4 },
    onMessage: async (message) => {
      delivered.push(message);
      const claim = await database.whenAvailable(() =>
        database.stages.claim({ ...message, worker: 'test', leaseSeconds }),
      );
      if (claim) claimed.push(message);
    },
    onError: () => undefined,
  });
  closers.push(() => consumer.close());
  return { delivered, claimed };
}

async function accept(count = 1): Promise<string[]> {
  const input = DatasetCreate.parse({ name: 'digits', source: { kind: 'folder', path: '/nowhere' } });
  return Promise.all(
    Array.from({ length: count }, async () => {
      const { stageId } = await database.whenAvailable(() => database.datasets.create(input));
      return stageId;
    }),
  );
}

async function parts() {
  const queue = await openQueue(postgres.url);
  closers.push(() => queue.close());
  const { log } = recordingLog();
  return { database, queue, log, outages: new Outages(log), signal: new AbortController().signal };
}

const ids = (messages: StageMessage[]) => messages.map(({ stageId }) => stageId).sort();

it('brings what was accepted to a worker, before and after it started', async () => {
  const early = await accept();
  await orchestrate();
  const { claimed } = await claiming();
  const late = await accept(20);
  await vi.waitFor(() => expect(ids(claimed)).toEqual([...early, ...late].sort()), PATIENCE);
});

/** A job of one stage, which waits for `others`. */
async function acceptJob(datasetId: string, ...others: string[]): Promise<string> {
  const input = { kind: 'join' as const, embedKeys: [] };
  const { id } = await database.jobs.create({
    ...{ name: null, datasetId, priorId: null, reuse: false, labels: {}, limits: {}, priority: 0, runs: [] },
    waitsFor: others.map((jobId) => ({ jobId, runId: null })),
    stages: [
      { ref: 'only', kind: 'join', runRef: null, resultKey: 'join:1', input, dependsOn: [], after: [] },
    ],
  });
  return id;
}

it('lets jobs go on that waited for others, and fails those that wait in vain, whatever happened before it started', async () => {
  const input = DatasetCreate.parse({ name: 'digits', source: { kind: 'folder', path: '/nowhere' } });
  const { dataset } = await database.datasets.create(input);
  const lost = await acceptJob(dataset.id);
  const inVain = await acceptJob(dataset.id, lost);
  const afterThat = await acceptJob(dataset.id, inVain);
  const first = await acceptJob(dataset.id);
  const second = await acceptJob(dataset.id, first);
  const third = await acceptJob(dataset.id, second, first);
  await database.jobs.cancel(lost);
  const become = (id: string, status: string) =>
    vi.waitFor(async () => expect((await database.jobs.get(id))?.status).toBe(status), PATIENCE);
  const finish = async (id: string) => {
    const [stage] = await database.stages.listByJob(id);
    const { id: stageId, dispatch } = stage!;
    const claim = await database.stages.claim({ stageId, dispatch, worker: 'test', leaseSeconds: 60 });
    const result = { parts: [], widths: [], statistics: '', count: 0, width: 1, seconds: 0, embedSeconds: 0 };
    await database.stages.succeed(claim!, { kind: 'join', ...result });
  };
  await finish(first);
  await orchestrate();
  await become(inVain, 'failed');
  await become(afterThat, 'failed');
  await become(second, 'queued');
  expect((await database.jobs.get(third))?.status).toBe('waiting');
  await finish(second);
  await become(third, 'queued');
});

it('lets a stage be claimed once where two orchestrators run', async () => {
  await Promise.all([orchestrate(), orchestrate()]);
  const { claimed } = await claiming();
  const accepted = await accept(50);
  await vi.waitFor(() => expect(claimed.length).toBeGreaterThanOrEqual(50), PATIENCE);
  expect(ids(claimed)).toEqual(accepted.sort());
});

it('queues a stage again whose worker fell silent', async () => {
  await orchestrate();
  const { claimed } = await claiming(postgres.url, 1);
  const [stageId] = await accept();
  const dispatches = () =>
    claimed.filter((message) => message.stageId === stageId).map(({ dispatch }) => dispatch);
  await vi.waitFor(() => expect(dispatches().length).toBeGreaterThanOrEqual(2), PATIENCE);
  expect(dispatches().slice(0, 2)).toEqual([1, 2]);
});

it('sends again what a relay sent before it died without a note of it, and the message is claimed once', async () => {
  const all = await parts();
  const accepted = await accept(3);
  await all.queue.send(await database.outbox.take(100));
  expect(await relayOutbox(all)).toBe(3);
  expect(await relayOutbox(all)).toBe(0);
  const { claimed } = await claiming();
  await vi.waitFor(() => expect(ids(claimed)).toEqual(accepted.sort()), PATIENCE);
});

it('finds out that the queue was flushed and sends again, and leaves alone what still waits', async () => {
  const all = await parts();
  const accepted = await accept(3);
  await relayOutbox(all);
  expect(await resendMissing(all, 0)).toBe(0);
  await flushQueue();
  expect(await resendMissing(all, 3600)).toBe(0);
  expect(await resendMissing(all, 0)).toBe(3);
  const { claimed } = await claiming();
  await vi.waitFor(() => expect(ids(claimed)).toEqual(accepted.sort()), PATIENCE);
  expect(await requeueLost(all)).toBe(0);
});

it('goes on after Postgres went away and came back, and logs each change once', async () => {
  const lines = await orchestrate();
  const { claimed } = await claiming();
  const before = await accept();
  await vi.waitFor(() => expect(ids(claimed)).toEqual(before), PATIENCE);
  await postgres.stop();
  await vi.waitFor(
    () => expect(lines.some(({ msg }) => msg.includes('does not answer'))).toBe(true),
    PATIENCE,
  );
  // The folder remembers the port: the address stays the same.
  postgres = await startEmbeddedPostgres({ folder });
  const after = await accept(3);
  await vi.waitFor(() => expect(ids(claimed)).toEqual([...before, ...after].sort()), PATIENCE);
  for (const part of ['database', 'queue']) {
    const changes = lines.filter((line) => line.part === part).map(({ msg }) => msg.includes('again'));
    expect(changes).toEqual(changes.map((_, index) => index % 2 === 1));
    expect(changes.length).toBeLessThanOrEqual(4);
  }
});

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

it('can be stopped while it still waits for a queue', async () => {
  const { lines, log } = recordingLog();
  const stop = new AbortController();
  const config = configFor(`redis://127.0.0.1:${await freePort()}`);
  const starting = startOrchestrator(config, { log, signal: stop.signal });
  const outcome = expect(starting).rejects.toThrow();
  await vi.waitFor(() => expect(lines.map(({ part }) => part)).toEqual(['queue']), PATIENCE);
  stop.abort();
  await outcome;
});

const hasRedis = spawnSync('redis-server', ['--version']).status === 0;

it.skipIf(!hasRedis)(
  'waits for a Redis that is not there yet, and again when it is gone (needs redis-server)',
  async () => {
    const port = await freePort();
    const url = `redis://127.0.0.1:${port}`;
    let redis: ChildProcess | null = null;
    const startRedis = () => {
      redis = spawn('redis-server', ['--port', String(port), '--save', '', '--dir', folder], {
        stdio: 'ignore',
      });
    };
    const stopRedis = async () => {
      const gone = once(redis as ChildProcess, 'exit');
      redis?.kill('SIGTERM');
      await gone;
    };
    const { lines, log } = recordingLog();
    const starting = startOrchestrator(configFor(url), { log });
    await vi.waitFor(() => expect(lines.map(({ part }) => part)).toEqual(['queue']), PATIENCE);
    startRedis();
    const orchestrator = await starting;
    const { claimed } = await claiming(url);
    const first = await accept();
    await vi.waitFor(() => expect(ids(claimed)).toEqual(first), PATIENCE);
    await stopRedis();
    const second = await accept();
    await vi.waitFor(
      () => expect(lines.filter(({ msg }) => msg.includes('does not answer'))).toHaveLength(2),
      PATIENCE,
    );
    startRedis();
    await vi.waitFor(() => expect(ids(claimed)).toEqual([...first, ...second].sort()), PATIENCE);
    await Promise.all(closers.splice(0).map((close) => close()));
    await orchestrator.stop();
    await stopRedis();
  },
);

it.skipIf(!hasRedis)(
  'warns of a Redis that throws messages away when it is full (needs redis-server)',
  async () => {
    const port = await freePort();
    const options = [
      '--port',
      String(port),
      '--save',
      '',
      '--dir',
      folder,
      '--maxmemory-policy',
      'allkeys-lru',
    ];
    const redis = spawn('redis-server', options, { stdio: 'ignore' });
    closers.push(async () => {
      const gone = once(redis, 'exit');
      redis.kill('SIGTERM');
      await gone;
    });
    const { lines, log } = recordingLog();
    const orchestrator = await startOrchestrator(configFor(`redis://127.0.0.1:${port}`), { log });
    await orchestrator.stop();
    expect(lines.filter(({ msg }) => msg.includes('noeviction'))).toMatchObject([{ level: 40 }]);
  },
);

const main = fileURLToPath(new URL('../dist/main.js', import.meta.url));

async function startProcess(): Promise<{ child: ChildProcess; exit: Promise<unknown[]> }> {
  const settings = { ...env, DATABASE_URL: postgres.url, QUEUE_URL: '', LOG_LEVEL: 'info' };
  const child = fork(main, [], {
    env: settings,
    execArgv: [],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const exit = once(child, 'exit');
  expect((await once(child, 'message'))[0]).toEqual({ type: 'ready' });
  return { child, exit };
}

it('says that it is ready, and ends with code 0 on SIGTERM', async () => {
  const { child, exit } = await startProcess();
  child.kill('SIGTERM');
  expect(await exit).toEqual([0, null]);
});

it('ends when its supervisor is gone', async () => {
  const { child, exit } = await startProcess();
  child.disconnect();
  expect(await exit).toEqual([0, null]);
});

it('says what is wrong where the environment is not valid, and ends with code 1', () => {
  const { status, stderr } = spawnSync(process.execPath, [main], {
    env: { PATH: env.PATH, DATABASE_URL: 'nonsense' },
    encoding: 'utf8',
  });
  expect(status).toBe(1);
  expect(stderr).toContain('DATABASE_URL');
});
