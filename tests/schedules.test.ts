/** Schedules with real orchestrators on both queues: what is due is made once, whatever is lost or down. */
import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { childEnvironment } from '@rela/config';
import { type Dataset, DatasetManifest, type Firing, type Job, ScheduleCreate } from '@rela/contracts';
import {
  type Database,
  type EmbeddedPostgres,
  migrate,
  openDatabase,
  startEmbeddedPostgres,
} from '@rela/database';
import { openStore } from '@rela/storage';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { findRedis, startRedis } from '../packages/queue/testing/redis.js';
import { createProgram, programOf } from './programs.mjs';

const redis = await findRedis();
const PATIENCE = { timeout: 60_000, interval: 100 };
const MINUTE = 60_000;

const MANIFEST = DatasetManifest.parse({
  ...{ version: 1, classes: ['round', 'square'], channels: 1, imageSize: { height: 16, width: 16 } },
  ...{ mean: [0.5], std: [0.25] },
  splits: {
    train: { count: 64, shards: [{ digest: `sha256:${'a'.repeat(64)}`, count: 64, bytes: 64 * 256 }] },
    test: null,
  },
});

interface Queue {
  /** Absent: the database. */
  url?: string;
  /** Takes every message and scheduler away. */
  flush(): Promise<void>;
  /** Names of the schedulers that it holds. */
  schedulers(): Promise<string[]>;
  stop(): Promise<void>;
}

async function rows<Row>(url: string, text: string, values: unknown[] = []): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(text, values)).rows as Row[];
  } finally {
    await client.end();
  }
}

const databaseQueue = async (postgres: EmbeddedPostgres): Promise<Queue> => ({
  flush: async () => void (await rows(postgres.url, 'TRUNCATE bullmq.job, bullmq.scheduler CASCADE')),
  schedulers: async () =>
    (await rows<{ id: string }>(postgres.url, 'SELECT scheduler_id AS id FROM bullmq.scheduler')).map(
      ({ id }) => id,
    ),
  stop: async () => undefined,
});

async function redisQueue(): Promise<Queue> {
  const { askRedis } = await import('../packages/queue/testing/redis-process.js');
  const { url, flush, stop } = await startRedis(redis!);
  const schedulers = () =>
    askRedis(url, (client) => client.zrange('{rela}:rela-schedules:repeat', '0', '-1'));
  return { url, flush, stop, schedulers };
}

const kinds = [
  { name: 'the database', open: databaseQueue },
  {
    name: redis ? `Redis (${redis})` : 'Redis (no REDIS_URL, no redis-server and no container engine here)',
    open: redis && redisQueue,
  },
];

describe.each(kinds)('schedules over $name', ({ open: openQueue }) => {
  if (!openQueue) {
    it.skip('are tested where there is one');
    return;
  }
  let folder: string;
  let postgres: EmbeddedPostgres;
  let database: Database;
  let queue: Queue;
  let dataset: Dataset;
  const running: { stop(): Promise<boolean> }[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'rela-schedules-'));
    await mkdir(join(folder, 'home'));
    postgres = await startEmbeddedPostgres({ folder: join(folder, 'postgres') });
    await migrate(postgres.url);
    database = await openDatabase(postgres.url);
    queue = await openQueue(postgres);
    dataset = await addDataset();
  });
  afterEach(async () => {
    await down();
    await rows(postgres.url, 'TRUNCATE schedule, job CASCADE');
  });
  afterAll(async () => {
    await down();
    await database?.close();
    await queue?.stop();
    await postgres?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const down = async () => {
    await Promise.all(running.splice(0).map((program) => program.stop()));
  };

  async function up(count = 1): Promise<void> {
    const log = await open(join(folder, 'orchestrator.log'), 'a');
    const started = Array.from({ length: count }, () =>
      createProgram({
        name: 'orchestrator',
        file: programOf('orchestrator'),
        environment: childEnvironment({
          ...{ DATABASE_URL: postgres.url, QUEUE_URL: queue.url ?? '', RELA_HOME: join(folder, 'home') },
          LOG_LEVEL: 'debug',
        }),
        log: log.fd,
      }),
    );
    running.push(...started);
    await Promise.all(started.map((program) => program.start())).finally(() => log.close());
  }

  /** Made ready as a worker does it, without one: nothing that is made here is to be worked at. */
  async function addDataset(): Promise<Dataset> {
    const store = openStore(join(folder, 'home', 'artifacts'));
    const source = { kind: 'recipe', recipe: 'mnist' } as const;
    const created = await database.datasets.create({ name: 'shapes', source, tolerance: 0, shardSize: 64 });
    const { digest, bytes } = await store.write(new TextEncoder().encode(JSON.stringify(MANIFEST)));
    const message = (await database.outbox.take(9)).find(({ stageId }) => stageId === created.stageId)!;
    const claim = await database.stages.claim({ ...message, worker: 'test', leaseSeconds: 60 });
    const undecodable = { count: 0, examples: [] };
    await database.stages.succeed(
      claim!,
      { kind: 'ingest', manifest: digest, bytes, undecodable, seconds: 0 },
      { facts: { manifest: MANIFEST } },
    );
    return (await database.datasets.get(created.dataset.id))!;
  }

  /**
   * Not by the API, which takes no seconds: a test need not wait for a minute.
   * @param since minutes for which it has been due, as after a down time
   */
  async function addSchedule(
    given: object,
    { cron, since }: { cron: string; since?: number },
  ): Promise<string> {
    const runs = [{ name: 'only', method: { name: 'supervised' }, epochs: 1, batchSize: 8 }];
    const job = { name: 'scheduled', dataset: 'shapes', runs };
    const input = ScheduleCreate.parse({ name: randomUUID(), job, ...given, cron: '@daily' });
    const { id } = await database.transaction((tx) => database.schedules.create({ ...input, cron }, tx));
    if (since !== undefined)
      await rows(postgres.url, 'UPDATE schedule SET next_due_at = $2 WHERE id = $1', [
        id,
        new Date(Math.floor(Date.now() / MINUTE - since) * MINUTE),
      ]);
    return id;
  }

  const firingsOf = async (id: string): Promise<Firing[]> =>
    (await database.schedules.firings(id, { limit: 200 })).items;
  const jobsOf = async (schedule: string): Promise<Job[]> =>
    (await database.jobs.list({ limit: 200, schedule })).items;

  const fires = (id: string, count: number) =>
    vi.waitFor(async () => expect((await firingsOf(id)).length).toBeGreaterThanOrEqual(count), PATIENCE);

  /** Each job is of a time of its own, and no second is left out. */
  async function expectEachSecondOnce(id: string): Promise<void> {
    const dueTimes = (await jobsOf(id)).map(({ dueAt }) => Date.parse(dueAt!)).sort((a, b) => a - b);
    expect(dueTimes).toEqual(dueTimes.map((_, index) => dueTimes[0]! + 1000 * index));
    expect((await firingsOf(id)).map(({ outcome }) => outcome)).toEqual(dueTimes.map(() => 'job'));
  }

  it('make one job for each time where two orchestrators run, and name it', async () => {
    await up(2);
    const id = await addSchedule({ labels: { team: 'vision' } }, { cron: '* * * * * *' });
    await fires(id, 6);
    await down();
    await expectEachSecondOnce(id);
    const [job] = await jobsOf(id);
    expect(job).toMatchObject({ scheduleId: id, datasetId: dataset.id, labels: { team: 'vision' } });
    expect(job!.runs).toHaveLength(1);
  });

  it('go on after a flush, which costs no time its job, and are in the queue again', async () => {
    await up();
    const id = await addSchedule({}, { cron: '* * * * * *' });
    const isHeld = () =>
      vi.waitFor(async () => expect(await queue.schedulers()).toContain(`${id}.1`), PATIENCE);
    await fires(id, 2);
    await isHeld();
    const before = (await firingsOf(id)).length;
    await queue.flush();
    await fires(id, before + 4);
    await isHeld();
    await down();
    await expectEachSecondOnce(id);
  });

  it('leave the queue when they are paused or deleted, and are replaced when they change', async () => {
    await up();
    const held = (names: string[]) =>
      vi.waitFor(async () => expect((await queue.schedulers()).sort()).toEqual(names.sort()), PATIENCE);
    const [one, other] = [
      await addSchedule({}, { cron: '0 0 * * *' }),
      await addSchedule({}, { cron: '0 1 * * *' }),
    ];
    await held([`${one}.1`, `${other}.1`]);
    await database.schedules.update(one, { cron: '0 2 * * *' });
    await held([`${one}.2`, `${other}.1`]);
    await database.schedules.update(one, { paused: true });
    await database.schedules.remove(other);
    await held([]);
    await database.schedules.update(one, { paused: false });
    await held([`${one}.4`]);
  });

  it('make up for a down time as they say', async () => {
    // Every ten minutes, five minutes from now the next time: none comes in the middle of the test.
    const cron = `${(new Date().getUTCMinutes() + 5) % 10}-59/10 * * * *`;
    const since = 65;
    const [skip, once, all, old] = [
      await addSchedule({ name: 'skip', missed: 'skip' }, { cron, since }),
      await addSchedule({ name: 'once', missed: 'once' }, { cron, since }),
      await addSchedule({ name: 'all', missed: 'all', mostMissed: 3 }, { cron, since }),
      await addSchedule({ name: 'old', missed: 'all', missedWithinSeconds: 60 }, { cron, since }),
    ];
    await up(2);
    for (const [id, count] of [
      [skip, 1],
      [once, 1],
      [all, 3],
      [old, 1],
    ] as const)
      await fires(id, count);
    await down();
    const made = async (id: string) => (await firingsOf(id)).map(({ outcome }) => outcome);
    expect(await made(skip)).toEqual(['missed']);
    expect(await made(once)).toEqual(['job']);
    expect(await made(all)).toEqual(['job', 'job', 'job']);
    expect(await made(old)).toEqual(['missed']);
    // Seven times were missed: 65, 55, … and 5 minutes ago.
    expect((await firingsOf(once)).map(({ missed }) => missed)).toEqual([6]);
    expect((await firingsOf(all)).map(({ missed }) => missed)).toEqual([0, 0, 4]);
    expect((await firingsOf(old)).map(({ missed }) => missed)).toEqual([6]);
    const dueTimes = (await jobsOf(all)).map(({ dueAt }) => Date.parse(dueAt!));
    expect(dueTimes).toEqual(dueTimes.map((_, index) => dueTimes[0]! - index * 10 * MINUTE));
  });

  it('note what is wrong with the job where none can be made, and make one when it is right again', async () => {
    const id = await addSchedule({}, { cron: '* * * * * *' });
    await rows(postgres.url, `UPDATE dataset SET name = 'elsewhere' WHERE id = $1`, [dataset.id]);
    await up();
    await fires(id, 2);
    const [failed] = (await firingsOf(id)).toReversed();
    expect(failed).toMatchObject({ outcome: 'failed', jobId: null, problem: { code: 'not-found' } });
    expect(failed!.problem!.detail).toContain('There is no dataset "shapes"');
    await rows(postgres.url, `UPDATE dataset SET name = 'shapes' WHERE id = $1`, [dataset.id]);
    await vi.waitFor(async () => expect((await jobsOf(id)).length).toBeGreaterThanOrEqual(1), PATIENCE);
  });

  it('make no job beside one that has not ended where that is forbidden', async () => {
    await up(2);
    const id = await addSchedule({ concurrency: 'forbid' }, { cron: '* * * * * *' });
    await fires(id, 4);
    await down();
    const outcomes = (await firingsOf(id)).map(({ outcome }) => outcome).toReversed();
    expect(outcomes).toEqual(['job', ...outcomes.slice(1).map(() => 'skipped')]);
    expect(await jobsOf(id)).toHaveLength(1);
  });
});
