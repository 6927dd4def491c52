import pg from 'pg';
import { expect, it } from 'vitest';
import { auditJob } from '../audit.js';
import { TRANSITIONS } from '../state/transitions.js';
import { addDataset, claimOf, complete, examplePlan, stageOf } from '../testing/examples.js';
import { useScratch } from '../testing/scratch.js';

const scratch = useScratch();

async function query<Row>(text: string, values: unknown[] = []): Promise<Row[]> {
  const client = new pg.Client({ connectionString: scratch.postgres.url });
  await client.connect();
  try {
    return (await client.query(text, values)).rows as Row[];
  } finally {
    await client.end();
  }
}

it('has the same state machines in the database as in the code', async () => {
  for (const [table, { first, to }] of Object.entries(TRANSITIONS)) {
    const [trigger] = await query<{ arguments: string }>(
      `SELECT encode(tgargs, 'escape') AS arguments FROM pg_trigger WHERE tgname = $1`,
      [`${table}_transition`],
    );
    const given = trigger?.arguments.split('\\000').filter((argument) => argument !== '') ?? [];
    const pairs = Object.entries(to).flatMap(([from, next]) =>
      next.map((status: string) => `${from}>${status}`),
    );
    expect([table, given[0], given.slice(1).sort()]).toEqual([table, first, pairs.sort()]);
  }
});

it('refuses a change of state that the machines do not have, whoever writes it', async () => {
  const { database } = scratch;
  const job = await database.jobs.create(await examplePlan(database));
  await complete(database, job, ['embed-0']);
  const stage = await stageOf(database, job, 'embed-0');
  const { dataset } = await addDataset(database);
  const refused = async (table: string, id: string, status: string, sentence: string) =>
    expect(query(`UPDATE ${table} SET status = $2 WHERE id = $1`, [id, status])).rejects.toThrow(sentence);
  await refused('stage', stage.id, 'running', 'a stage that is succeeded does not become running');
  await refused('job', job.id, 'succeeded".', 'does not become');
  await refused('run', job.runs[0]!.id, 'succeeded', 'a run that is queued does not become succeeded');
  await refused('dataset', dataset.id, 'paused', 'a dataset that is queued does not become paused');
  await expect(
    query(`INSERT INTO job (id, status, dataset_id, reuse) VALUES ('job_x', 'succeeded', $1, true)`, [
      dataset.id,
    ]),
  ).rejects.toThrow('a new job is queued, not succeeded');
});

it('notices a change that nobody told of', async () => {
  const { database } = scratch;
  const job = await database.jobs.create(await examplePlan(database));
  await claimOf(database, await stageOf(database, job, 'embed-0'));
  expect(await auditJob(database, job.id)).toEqual([]);
  const { id } = await stageOf(database, job, 'embed-1');
  await query(`UPDATE stage SET status = 'cancelled' WHERE id = $1`, [id]);
  expect(await auditJob(database, job.id)).toEqual([
    `stage ${id} is cancelled; its history ends with queued`,
  ]);
  await query('DELETE FROM job_event WHERE job_id = $1 AND sequence = 2', [job.id]);
  expect(await auditJob(database, job.id)).toContain(`event 2 of ${job.id} is missing`);
});
