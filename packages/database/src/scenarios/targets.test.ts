/** Targets: jobs that make them and nothing else, and the list of those that were made. */
import type { Job, JobPlan } from '@rela/contracts';
import { expect, it } from 'vitest';
import type { Database } from '../database.js';
import { claimOf, complete, examplePlan, resultOf, stageOf, statusesOf } from '../testing/examples.js';
import { useScratch } from '../testing/scratch.js';

const scratch = useScratch();

/** embed × 2 → reduce */
async function targetsPlan(database: Database): Promise<JobPlan> {
  const plan = await examplePlan(database);
  return { ...plan, runs: [], stages: plan.stages.filter(({ runRef }) => runRef === null) };
}

async function fail(database: Database, job: Job, ref: string): Promise<void> {
  const claim = await claimOf(database, await stageOf(database, job, ref));
  await database.stages.fail(claim, { error: 'the shard is damaged', retryable: false, maxAttempts: 1 });
}

it('a job without runs succeeds when its targets are made', async () => {
  const { database } = scratch;
  const job = await database.jobs.create(await targetsPlan(database));
  await complete(database, job, ['embed-0', 'embed-1']);
  expect(await database.jobs.get(job.id)).toMatchObject({ status: 'running', runs: [] });
  await complete(database, job, ['reduce']);
  expect(await database.jobs.get(job.id)).toMatchObject({ status: 'succeeded', error: null });
});

it('a job without runs fails with the stage that failed, and drops the rest', async () => {
  const { database } = scratch;
  const job = await database.jobs.create(await targetsPlan(database));
  await fail(database, job, 'embed-0');
  expect(await database.jobs.get(job.id)).toMatchObject({
    status: 'failed',
    error: 'The targets failed at the stage embed: the shard is damaged',
  });
  expect(await statusesOf(database, job)).toEqual({
    ...{ 'embed-0': 'failed', 'embed-1': 'cancelled', reduce: 'cancelled' },
  });
});

it('a job without runs is cancelled where its targets were not made before', async () => {
  const { database } = scratch;
  const job = await database.jobs.create(await targetsPlan(database));
  await complete(database, job, ['embed-0']);
  expect(await database.jobs.cancel(job.id)).toMatchObject({ status: 'cancelled' });
});

it('a job whose runs succeed without its targets fails where these do', async () => {
  const { database } = scratch;
  const job = await database.jobs.create(await examplePlan(database, { runs: 0, control: true }));
  await complete(database, job, ['embed-0', 'embed-1']);
  await fail(database, job, 'reduce');
  await complete(database, job, ['train-0', 'evaluate-0']);
  const ended = await database.jobs.get(job.id);
  expect(ended).toMatchObject({ status: 'failed', runs: [{ status: 'succeeded' }] });
  expect(ended?.error).toContain('at the stage reduce');
});

it('lists targets with what they are of, before and after they are made', async () => {
  const { database } = scratch;
  const job = await database.jobs.create(await targetsPlan(database));
  const [before] = (await database.targets.list({ job: job.id, limit: 5 })).items;
  expect(before).toMatchObject({ jobId: job.id, runIds: [], k: 64, status: 'waiting', digest: null });
  await complete(database, job, ['embed-0', 'embed-1', 'reduce']);
  const { items } = await database.targets.list({ job: job.id, limit: 5 });
  const { targets } = resultOf('reduce');
  expect(items).toEqual([{ ...before, status: 'succeeded', digest: targets, endedAt: expect.any(String) }]);
});

it('finds the targets of a run and those with a digest, newest first and page by page', async () => {
  const { database } = scratch;
  const job = await database.jobs.create(await examplePlan(database, { runs: 1, control: true }));
  await complete(database, job, ['embed-0', 'embed-1', 'reduce']);
  const [run, control] = job.runs;
  const { items } = await database.targets.list({ run: run?.id, limit: 5 });
  expect(items).toMatchObject([{ jobId: job.id, runIds: [run?.id] }]);
  expect((await database.targets.list({ run: control?.id, limit: 5 })).items).toEqual([]);
  const { targets: digest } = resultOf('reduce');
  const first = await database.targets.list({ digest, limit: 1 });
  expect(first.items[0]).toMatchObject({ jobId: job.id, digest });
  const second = await database.targets.list({ digest, limit: 1, cursor: first.next ?? '' });
  expect(second.items[0]?.jobId).not.toBe(job.id);
  const none = `sha256:${'0'.repeat(64)}`;
  expect((await database.targets.list({ digest: none, limit: 1 })).items).toEqual([]);
});
