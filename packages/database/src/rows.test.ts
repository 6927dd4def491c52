import { WebhookCreate } from '@rela/contracts';
import pg from 'pg';
import { expect, it } from 'vitest';
import { openDatabase } from './database.js';
import { dumpRows, migrationOf, type RowBlock, restoreRows, TABLES } from './rows.js';
import {
  addDataset,
  addSchedule,
  claimOf,
  complete,
  digestOf,
  examplePlan,
  stageOf,
} from './testing/examples.js';
import { useScratch } from './testing/scratch.js';

const scratch = useScratch();

async function query<Row>(url: string, text: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(text)).rows as Row[];
  } finally {
    await client.end();
  }
}

/** Another, empty database on the same server. */
async function addDatabase(name: string): Promise<string> {
  await query(scratch.postgres.url, `CREATE DATABASE ${name}`);
  const url = new URL(scratch.postgres.url);
  url.pathname = `/${name}`;
  return url.href;
}

async function all(url: string): Promise<Record<string, string[]>> {
  const found: Record<string, string[]> = {};
  for await (const { table, lines } of dumpRows(url))
    found[table] = [...(found[table] ?? []), ...lines].sort();
  return found;
}

/** Something of everything: jobs that wait, run, were cancelled and have succeeded, and what belongs to them. */
async function fill(): Promise<string> {
  const { database } = scratch;
  const done = await database.jobs.create(await examplePlan(database));
  await complete(database, done, ['embed-0', 'embed-1', 'reduce', 'train-0', 'evaluate-0']);
  const running = await database.jobs.create(await examplePlan(database));
  await complete(database, running, ['embed-0', 'embed-1', 'reduce']);
  const waitsFor = [{ jobId: running.id, runId: running.runs[0]!.id }];
  await database.jobs.create({ ...(await examplePlan(database)), waitsFor });
  const claim = await claimOf(database, await stageOf(database, running, 'train-0'));
  await database.runs.saveCheckpoint(claim, { step: 3, digest: digestOf('three'), bytes: 2 ** 40 });
  const metric = { epoch: 0, phase: 'rela' as const, rho: null, classifierAccuracy: null, seconds: 0.1 };
  await database.runs.appendMetrics(claim, [{ ...metric, step: 1, loss: 0.1 + 0.2 }]);
  await database.jobs.cancel((await database.jobs.create(await examplePlan(database))).id);
  const hook = await database.webhooks.create(WebhookCreate.parse({ url: 'https://example.com/' }));
  await database.webhooks.ping(hook.id);
  await database.deliveries.claim({ limit: 1, perWebhook: 1, leaseSeconds: 60 });
  await database.artifacts.record({ digest: digestOf('upload'), bytes: 7, mediaType: 'image/png' });
  await database.idempotency.begin({ key: 'a', route: 'POST /v1/jobs', requestDigest: 'd' });
  await database.apiKeys.create({ name: 'platform', scope: 'submit' });
  await addDataset(database, 'a "name" with \\ and ü');
  const schedule = await addSchedule(database);
  await database.transaction(async (tx) =>
    database.schedules.trigger(schedule.id, await examplePlan(database), tx),
  );
  return running.id;
}

it('knows every table that there is, but for those that are made anew', async () => {
  const tables = await query<{ name: string }>(
    scratch.postgres.url,
    `SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'`,
  );
  const known = [...TABLES, 'artifact_reference', 'job_label', 'tenant_storage', '_prisma_migrations'];
  expect(tables.map(({ name }) => name).sort()).toEqual(known.sort());
});

it('puts everything back as it was, to the last digit, and the service goes on with it', async () => {
  const running = await fill();
  const from = scratch.postgres.url;
  const before = await all(from);
  expect(Object.keys(before).sort()).toEqual([...TABLES].sort());
  const url = await addDatabase('restored');
  const count = await restoreRows(url, { migration: await migrationOf(from), blocks: dumpRows(from) });
  expect(await all(url)).toEqual(before);
  expect(count).toBe(Object.values(before).flat().length);

  const database = await openDatabase(url, { connections: 2 });
  try {
    // Its worker is elsewhere: the lease runs out, and the stage is another's, under a message of its own.
    await query(url, `UPDATE stage SET lease_until = now() - interval '1 s' WHERE status = 'running'`);
    expect(await database.stages.requeueLost()).toBe(1);
    const job = (await database.jobs.get(running))!;
    const claim = await claimOf(database, await stageOf(database, job, 'train-0'));
    expect(claim.checkpoints).toEqual([{ step: 3, digest: digestOf('three') }]);
    await database.stages.release(claim);
    await complete(database, job, ['train-0', 'evaluate-0']);
    expect(await database.jobs.get(running)).toMatchObject({ status: 'succeeded' });
  } finally {
    await database.close();
  }
});

it('leaves nothing behind where the rows break off, and can be done again', async () => {
  const from = scratch.postgres.url;
  const migration = await migrationOf(from);
  const url = await addDatabase('broken');
  async function* half(): AsyncGenerator<RowBlock> {
    yield {
      table: 'artifact',
      lines: ['{"digest":"x","bytes":1,"media_type":"y","created_at":"2026-01-01Z"}'],
    };
    throw new Error('the archive ends in the middle');
  }
  await expect(restoreRows(url, { migration, blocks: half() })).rejects.toThrow('ends in the middle');
  expect(Object.keys(await all(url))).toEqual(['tenant']);
  await restoreRows(url, { migration, blocks: dumpRows(from) });
  await expect(restoreRows(url, { migration, blocks: dumpRows(from) })).rejects.toThrow(
    'The database is not empty: it has rows in "dataset". Restore into an empty one',
  );
  await expect(restoreRows(url, { migration: '9999_new', blocks: half() })).rejects.toThrow(
    'with the migration 9999_new, which this version does not know',
  );
});

it('takes rows of an earlier version, and brings them to this one', async () => {
  const url = await addDatabase('early');
  const columns = { id: 'ds_1', name: 'old', status: 'failed', source: {}, error: 'away' };
  const line = JSON.stringify({ ...columns, undecodable_count: 0, undecodable_examples: [], warnings: [] });
  async function* rows(): AsyncGenerator<RowBlock> {
    yield { table: 'dataset', lines: [line.replace('{', '{"created_at":"2026-01-01T00:00:00Z",')] };
  }
  expect(await restoreRows(url, { migration: '0004_appraisals', blocks: rows() })).toBe(1);
  const database = await openDatabase(url, { connections: 1 });
  expect(await database.datasets.get('ds_1')).toMatchObject({ status: 'failed', error: 'away' });
  await database.close();
});

it('gathers the metrics of an earlier version, which had a row a step, and finds its jobs by their labels', async () => {
  const url = await addDatabase('steps');
  const from = scratch.postgres.url;
  const { database } = scratch;
  const job = await database.jobs.create(await examplePlan(database, { labels: { team: 'vision' } }));
  const [run] = job.runs;
  const step = (at: number) => ({
    ...{ run_id: run!.id, step: at, epoch: 1, phase: at < 100 ? 'rela' : 'method', loss: 1 / at, rho: null },
    ...{ classifier_accuracy: 0.5, seconds: at / 3 },
  });
  const steps = Array.from({ length: 150 }, (_, index) => index + 1);
  const later = [
    'run_metric',
    'job_dependency',
    'job_summary',
    'webhook',
    'webhook_delivery',
    'webhook_attempt',
    'schedule',
    'firing',
  ];
  async function* rows(): AsyncGenerator<RowBlock> {
    for await (const block of dumpRows(from))
      if (!later.includes(block.table))
        // Nothing waited for others then.
        yield {
          ...block,
          lines: block.lines.map((line) => line.replace('"status":"waiting"', '"status":"queued"')),
        };
    yield { table: 'run_metric', lines: steps.map((at) => JSON.stringify(step(at))) };
  }
  await restoreRows(url, { migration: '0021_shares', blocks: rows() });
  const restored = await openDatabase(url, { connections: 1 });
  const metrics = await restored.runs.metrics(run!.id, { afterStep: 0, limit: 1000 });
  expect(metrics).toEqual(
    steps.map((at) => ({
      ...{ step: at, epoch: 1, phase: at < 100 ? 'rela' : 'method', loss: 1 / at, rho: null },
      ...{ classifierAccuracy: 0.5, seconds: at / 3 },
    })),
  );
  const found = await restored.jobs.list({ limit: 5, labels: { team: 'vision' } });
  expect(found.items.map(({ id }) => id)).toEqual([job.id]);
  await restored.close();
});
