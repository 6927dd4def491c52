/** Every way of the search gives the same jobs: those that a plain look at all of them gives. */
import type { Job } from '@rela/contracts';
import pg from 'pg';
import { expect, it } from 'vitest';
import type { JobFilter } from '../repositories/job-search.js';
import { examplePlan } from '../testing/examples.js';
import { useScratch } from '../testing/scratch.js';

const scratch = useScratch();

/** More than the search reads of a condition before it walks through the newest, and more than it walks. */
const JOBS = 12_000;

/** Copies of a job, cancelled ones among them: of every 3 one is blue, of the oldest 10 % all are small, and none is small and blue. */
async function fill(): Promise<Pick<Job, 'id' | 'name' | 'status' | 'labels'>[]> {
  const { database, postgres } = scratch;
  const { datasetId } = await database.jobs.create(await examplePlan(database, { shards: 1, name: 'first' }));
  const client = new pg.Client({ connectionString: postgres.url });
  await client.connect();
  try {
    await client.query("SET session_replication_role = 'replica'");
    await client.query(
      `INSERT INTO job (id, name, status, dataset_id, reuse, labels)
       SELECT 'job_' || lpad(to_hex(n), 32, '0'), CASE WHEN n < $2 / 10 THEN 'Old ' WHEN n % 2 = 0 THEN 'even_' ELSE 'odd ' END || n,
         CASE WHEN n % 50 = 0 THEN 'cancelled' ELSE 'succeeded' END, $1,
         true, CASE WHEN n % 3 = 0 THEN '{"colour": "blue"}' ELSE '{"colour": "red"}' END::jsonb
           || CASE WHEN n < $2 / 2 AND n % 3 > 0 THEN '{"size": "small"}' ELSE '{}' END::jsonb || jsonb_build_object('ticket', n::text)
       FROM generate_series(1, $2::int) AS n`,
      [datasetId, JOBS],
    );
    // Of some the row itself has to be asked, as where they are long.
    await client.query(`UPDATE job SET short_labels = labels WHERE id NOT LIKE '%3'`);
    await client.query(
      `INSERT INTO job_label (key, value, job_id, labels)
       SELECT label.key, label.value, id, short_labels FROM job, jsonb_each_text(labels) AS label`,
    );
    await client.query('ANALYZE job, job_label');
    const { rows } = await client.query('SELECT id, name, status, labels FROM job ORDER BY id DESC');
    return rows;
  } finally {
    await client.end();
  }
}

it('finds by any conditions together what holds them all, page by page', async () => {
  const all = await fill();
  const filters: JobFilter[] = [
    {},
    { status: 'succeeded' },
    { labels: { colour: 'blue' } },
    { labels: { colour: 'blue', ticket: '3000' } },
    { labels: { colour: 'red', ticket: '3000' } },
    { labels: { colour: 'red', size: 'small' } },
    { labels: { colour: 'blue', size: 'small' } },
    { labels: { colour: 'blue' }, status: 'cancelled' },
    { labels: { size: 'small' }, status: 'succeeded' },
    { name: 'OLD' },
    { name: 'old 11' },
    { name: 'even_' },
    { name: 'even%' },
    { name: 'odd', status: 'succeeded', labels: { colour: 'blue' } },
    { name: 'old', status: 'succeeded', labels: { colour: 'red', size: 'small' } },
    { name: 'first' },
  ];
  for (const filter of filters) {
    const expected = all.filter(
      ({ name, status, labels }) =>
        (filter.status === undefined || status === filter.status) &&
        (filter.name === undefined || name!.toLowerCase().startsWith(filter.name.toLowerCase())) &&
        Object.entries(filter.labels ?? {}).every(([key, value]) => labels[key] === value),
    );
    const middle = expected[Math.floor(expected.length / 2)]?.id;
    for (const cursor of [undefined, middle, expected.at(-3)?.id]) {
      const behind = expected.filter(({ id }) => cursor === undefined || id < cursor).slice(0, 5);
      const page = await scratch.database.jobs.list({ ...filter, limit: 5, cursor });
      expect(
        page.items.map(({ id }) => id),
        JSON.stringify({ filter, cursor }),
      ).toEqual(behind.map(({ id }) => id));
    }
  }
});

it('knows the labels of a job as they are, also where they change', async () => {
  const { database, postgres } = scratch;
  const job = await database.jobs.create(
    await examplePlan(database, { shards: 1, labels: { mood: 'good', day: 'one' } }),
  );
  const ids = async (labels: Record<string, string>) =>
    (await database.jobs.list({ limit: 5, labels })).items.map(({ id }) => id);
  expect(await ids({ mood: 'good' })).toEqual([job.id]);
  expect(await ids({ mood: 'good', day: 'one' })).toEqual([job.id]);
  expect(await ids({ mood: 'good', day: 'two' })).toEqual([]);
  const client = new pg.Client({ connectionString: postgres.url });
  await client.connect();
  await client.query(`UPDATE job SET labels = '{"mood": "bad"}' WHERE id = $1`, [job.id]);
  expect(await ids({ mood: 'good' })).toEqual([]);
  expect(await ids({ day: 'one' })).toEqual([]);
  expect(await ids({ mood: 'bad' })).toEqual([job.id]);
  expect(await ids({ mood: 'bad', day: 'one' })).toEqual([]);
  await client.query('DELETE FROM job WHERE id = $1', [job.id]);
  await client.end();
  expect(await ids({ mood: 'bad' })).toEqual([]);
});

it('finds a job by several of as many and as long labels as it may have', async () => {
  const { database } = scratch;
  const labels = Object.fromEntries(
    Array.from({ length: 32 }, (_, index) => [`key-${index}`.padEnd(63, 'k'), `${index} `.padEnd(200, '模')]),
  );
  const { id } = await database.jobs.create(await examplePlan(database, { shards: 1, labels }));
  const [first, second] = Object.entries(labels);
  const found = async (some: Record<string, string>) =>
    (await database.jobs.list({ limit: 5, labels: some })).items.map((job) => job.id);
  expect(await found(Object.fromEntries([first!, second!]))).toEqual([id]);
  expect(await found({ ...Object.fromEntries([first!]), [second![0]]: 'another' })).toEqual([]);
});
