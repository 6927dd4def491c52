/** What is shown of a job is kept at its end: it has to be what its rows say, and to be gone when the job is sent again. */
import type { Job } from '@rela/contracts';
import pg from 'pg';
import { expect, it } from 'vitest';
import { auditJob } from '../audit.js';
import { claimOf, complete, examplePlan, stageOf } from '../testing/examples.js';
import { useScratch } from '../testing/scratch.js';

const scratch = useScratch();
const SHORT = { shards: 1 };

async function query<Row extends object>(text: string, values: unknown[]): Promise<Row[]> {
  const client = new pg.Client({ connectionString: scratch.postgres.url });
  await client.connect();
  try {
    return (await client.query<Row>(text, values)).rows;
  } finally {
    await client.end();
  }
}

const shown = async ({ id }: Job) => (await scratch.database.jobs.get(id))!;
const kept = ({ id }: Job) =>
  query<{ ended_at: Date }>('SELECT ended_at FROM job_summary WHERE job_id = $1', [id]);
const forget = ({ id }: Job) => query('DELETE FROM job_summary WHERE job_id = $1', [id]);

async function failTraining(job: Job): Promise<void> {
  const { stages } = scratch.database;
  const claim = await claimOf(scratch.database, await stageOf(scratch.database, job, 'train-0'));
  await stages.fail(claim, { error: 'broken', retryable: false, maxAttempts: 1 });
}

it.each(['succeeded', 'failed', 'cancelled'] as const)(
  'shows of a job that has %s the same with what was kept at its end as without',
  async (end) => {
    const { database } = scratch;
    const job = await database.jobs.create(await examplePlan(database, { runs: 2 }));
    expect(await kept(job)).toEqual([]);
    await complete(database, job, ['embed-0', 'embed-1', 'reduce']);
    if (end === 'cancelled') await database.jobs.cancel(job.id);
    else {
      if (end === 'failed') await failTraining(job);
      else await complete(database, job, ['train-0', 'evaluate-0']);
      await complete(database, job, ['train-1', 'evaluate-1']);
    }
    const ended = await shown(job);
    expect(ended.status).toBe(end);
    expect(await kept(job)).toEqual([{ ended_at: new Date(ended.endedAt!) }]);
    expect(await auditJob(database, job.id)).toEqual([]);

    await forget(job);
    expect(await shown(job)).toEqual(ended);
  },
);

it('reads of a job that has ended what was kept, and the audit finds where that is not what its rows say', async () => {
  const { database } = scratch;
  const job = await database.jobs.create(await examplePlan(database, SHORT));
  await complete(database, job, ['embed-0', 'reduce', 'train-0', 'evaluate-0']);
  await query(`UPDATE run SET name = 'another' WHERE job_id = $1`, [job.id]);
  expect((await shown(job)).runs).toMatchObject([{ name: 'run-0' }]);
  expect(await auditJob(database, job.id)).toEqual([
    `what was kept of ${job.id} at its end is not what its rows say`,
  ]);
});

it('shows a job that is sent again as it is, and keeps its next end', async () => {
  const { database } = scratch;
  const job = await database.jobs.create(await examplePlan(database, SHORT));
  await complete(database, job, ['embed-0', 'reduce']);
  await failTraining(job);
  const { endedAt } = await shown(job);
  const again = await database.jobs.retry(job.id);
  expect(again.runs).toMatchObject([{ status: 'queued' }]);
  expect(await shown(job)).toEqual(again);
  await complete(database, job, ['train-0', 'evaluate-0']);
  const ended = await shown(job);
  expect(ended).toMatchObject({ status: 'succeeded', runs: [{ status: 'succeeded' }] });
  expect(ended.endedAt).not.toBe(endedAt);
  expect(await kept(job)).toEqual([{ ended_at: new Date(ended.endedAt!) }]);
  expect(await auditJob(database, job.id)).toEqual([]);
});

it('keeps what is shown of a job that never began, since what it waited for failed', async () => {
  const { database } = scratch;
  const first = await database.jobs.create(await examplePlan(database, SHORT));
  const plan = await examplePlan(database, SHORT);
  const second = await database.jobs.create({ ...plan, waitsFor: [{ jobId: first.id, runId: null }] });
  await complete(database, first, ['embed-0', 'reduce']);
  await failTraining(first);
  while ((await database.dependencies.settle()) > 0);
  const ended = await shown(second);
  expect(ended).toMatchObject({ status: 'failed', waitsFor: [{ jobId: first.id, met: false }] });
  expect(await kept(second)).toEqual([{ ended_at: new Date(ended.endedAt!) }]);
  await forget(second);
  expect(await shown(second)).toEqual(ended);
});
