/**
 * What lists read does not grow with what there is: every method of the repositories that looks for something is asked on a generated history
 * of 8,000 runs, and PostgreSQL says what it read. There is no timing in it: `npm run bench -- million` has that.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Database,
  type EmbeddedPostgres,
  migrate,
  openDatabase,
  startEmbeddedPostgres,
} from '@rela/database';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { fillHistory } from '../bench/million/history.mjs';
import { readsOf } from '../bench/million/plans.mjs';
import { ask, drawSample, queriesOf } from '../bench/million/queries.mjs';

const RUNS = 8000;
const ASKED = 4;
/** Read whole without being a fault: the queue of what is not finished, and what has a page of rows at most here. */
const MAY_BE_READ_WHOLE = 1000;
/** Of a page of 50 jobs: each with its runs, stages and results, in rows. Bounds, not figures: a list that reads the table goes far beyond. */
const MOST_ROWS = 3000;
/** Searches read up to 1,000 of each condition before they settle for a way, and then fifty of one for each job of the page. */
const MOST_OF_SEARCHES = 10_000;

/** What a list names, such as a run, may be looked up before it turns out to be another's. */
const MOST_OF_NOTHING = 50;
const LISTED = ['datasets', 'deadLetters', 'jobs', 'priors', 'targets'];

/** Stages that become possible at once. */
const LARGE = 20_000;

/** Methods that look for nothing, or for what they have to read whole; everything else has to be among the queries. */
const OTHERS: Record<string, string> = {
  ...Object.fromEntries(
    [
      ...['datasets.create', 'datasets.retry', 'priors.create', 'artifacts.record'],
      ...['jobs.create', 'jobs.cancel', 'jobs.pause', 'jobs.resume', 'jobs.retry'],
      ...['runs.appendMetrics', 'runs.recordSwitch', 'runs.saveCheckpoint', 'runs.dropCheckpoints'],
      ...['stages.claim', 'stages.heartbeat', 'stages.succeed', 'stages.fail', 'stages.release'],
      ...['outbox.markSent', 'idempotency.finish', 'idempotency.abandon', 'garbage.forgetArtifact'],
    ].map((method) => [method, 'changes rows that it is given']),
  ),
  ...Object.fromEntries(
    [
      ...[
        'apiKeys.create',
        'apiKeys.ensure',
        'apiKeys.list',
        'apiKeys.get',
        'apiKeys.revoke',
        'apiKeys.rotate',
      ],
      ...[
        'apiKeys.identify',
        'tenants.create',
        'tenants.get',
        'tenants.find',
        'tenants.limit',
        'tenants.list',
      ],
    ].map((method) => [method, 'is of what a person makes by hand: there are few']),
  ),
  'schedules.firings': 'is of the last thousand of a schedule',
  'webhooks.deliveries': 'is of what RETAIN_DELIVERIES_DAYS keeps, which the history has none of',
  'deliveries.claim': 'takes what is due, which goes',
  'deliveries.note': 'changes rows that it is given',
  'dependencies.settle': 'changes the jobs that wait',
  'deliveries.listen': 'waits',
  'schedules.listen': 'waits',
  ...Object.fromEntries(
    [
      ...[
        'create',
        'update',
        'remove',
        'find',
        'list',
        'names',
        'timetables',
        'overdue',
        'due',
        'settle',
        'trigger',
      ].map((method) => `schedules.${method}`),
      ...['create', 'get', 'list', 'update', 'remove', 'renewSecret', 'ping', 'delivery', 'redeliver'].map(
        (method) => `webhooks.${method}`,
      ),
    ].map((method) => [method, 'is of what a person makes by hand, or of one row: there are few']),
  ),
  'apiKeys.listen': 'waits',
  'artifacts.grantMembers': 'changes rows that it is given',
  'quotas.assertJobs': 'counts what usage counts, under a lock',
  'quotas.assertStorage': 'sums up what usage sums up',
  'events.listen': 'waits',
  'outbox.listen': 'waits',
  'garbage.alone': 'takes a lock',
  'garbage.collect': 'reads everything once a sweep',
  'garbage.lists': 'reads everything once a sweep',
  'garbage.addNamed': 'writes what it is given',
};

let folder: string;
let postgres: EmbeddedPostgres;
let database: Database;
let client: pg.Client;
let queries: ReturnType<typeof queriesOf>;
let large: Set<string>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rela-million-'));
  postgres = await startEmbeddedPostgres({ folder });
  await migrate(postgres.url);
  await fillHistory(postgres.url, { runs: RUNS });
  database = await openDatabase(postgres.url, { connections: 2 });
  client = new pg.Client({ connectionString: postgres.url });
  await client.connect();
  queries = queriesOf(await drawSample(postgres.url, { count: ASKED }));
  const { rows } = await client.query<{ name: string }>(
    `SELECT relname AS name FROM pg_class WHERE relkind = 'r' AND reltuples > $1`,
    [MAY_BE_READ_WHOLE],
  );
  large = new Set(rows.map(({ name }) => name));
});
afterAll(async () => {
  await client?.end();
  await database?.close();
  await postgres?.stop();
  await rm(folder, { recursive: true, force: true });
});

it('asks every method that looks for something, so that a new one is not forgotten', () => {
  const asked = queries.map(({ repository, method }) => `${repository}.${method}`);
  const methods = Object.entries(database).flatMap(([repository, methods]) =>
    typeof methods === 'object' ? Object.keys(methods).map((method) => `${repository}.${method}`) : [],
  );
  expect(methods.filter((method) => !asked.includes(method) && !(method in OTHERS))).toEqual([]);
  expect([...asked, ...Object.keys(OTHERS)].filter((method) => !methods.includes(method))).toEqual([]);
  expect(queries.filter(({ calls }) => calls.length === 0)).toEqual([]);
});

it('has a history with more rows than any list may read', async () => {
  const counts = await client.query('SELECT count(*)::int AS runs FROM run');
  expect(counts.rows[0].runs).toBeGreaterThanOrEqual(RUNS);
  expect([...large]).toEqual(
    expect.arrayContaining(['job', 'job_label', 'run', 'stage', 'job_event', 'run_metric']),
  );
});

it('reads by an index, and a bounded number of rows, whatever is asked', async () => {
  const faults: string[] = [];
  for (const query of queries)
    for (const given of query.calls) {
      const { rows, whole } = await readsOf(client, () => ask(database, query, given));
      const most = query.repository === 'jobs' && query.method === 'list' ? MOST_OF_SEARCHES : MOST_ROWS;
      // Of a name that thousands have, PostgreSQL takes the first thousand from a table of this size without the index.
      const isNamed = query.method === 'list' && given.some((part) => Object.hasOwn(Object(part), 'name'));
      const read = whole.filter((table) => large.has(table) && !(isNamed && table === 'job'));
      if (read.length > 0)
        faults.push(`${query.name} ${JSON.stringify(given)} reads all of ${read.join(', ')}`);
      if (rows > most) faults.push(`${query.name} ${JSON.stringify(given)} reads ${rows} rows`);
    }
  expect(faults).toEqual([]);
});

it('reads nothing of what others have, for a tenant that has nothing', async () => {
  const { id } = await database.tenants.create('newcomer');
  const own = database.of(id);
  // Events are those of a job that was looked up before.
  const lists = queries.filter(
    ({ repository, method }) => method === 'list' && repository in own && repository !== 'events',
  );
  expect([...new Set(lists.map(({ repository }) => repository))].sort()).toEqual(LISTED);
  const faults: string[] = [];
  for (const query of lists)
    for (const given of query.calls) {
      const { rows } = await readsOf(client, () => ask(database, query, given, id));
      if (rows > MOST_OF_NOTHING) faults.push(`${query.name} ${JSON.stringify(given)} reads ${rows} rows`);
    }
  expect(faults).toEqual([]);
});

it('sends of a large job what there is room for, while the statistics are still those from before it', async () => {
  await client.query('VACUUM ANALYZE');
  await client.query('BEGIN');
  await client.query("SET LOCAL session_replication_role = 'replica'");
  await client.query(
    `INSERT INTO stage SELECT made.* FROM generate_series(1, $1) AS number, (SELECT to_jsonb(stage) AS row FROM stage LIMIT 1) AS one,
       jsonb_populate_record(NULL::stage, one.row || jsonb_build_object('id', 'stg_f' || lpad(number::text, 31, '0'),
         'kind', 'embed', 'status', 'queued', 'dispatch', 1, 'result', NULL, 'ended_at', NULL)) AS made`,
    [LARGE],
  );
  await client.query(
    `INSERT INTO outbox (stage_id, kind, dispatch, tenant_id, priority)
     SELECT id, kind, 1, tenant_id, 0 FROM stage WHERE id LIKE 'stg_f%' AND status = 'queued' ORDER BY id`,
  );
  await client.query('COMMIT');
  let taken = 0;
  const { rows } = await readsOf(client, async () => {
    taken = (await database.outbox.take(LARGE)).length;
  });
  expect(taken).toBeGreaterThan(100);
  expect(taken).toBeLessThan(LARGE / 10);
  expect(rows).toBeLessThan(3 * taken);
});
