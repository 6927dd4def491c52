import { expect, it } from 'vitest';
import { auditJob } from '../audit.js';
import { claimOf, complete, examplePlan, resultOf, stageOf, statusesOf } from '../testing/examples.js';
import { useScratch } from '../testing/scratch.js';

const scratch = useScratch();

const messagesOf = async (jobId: string) => {
  const stages = new Set((await scratch.database.stages.listByJob(jobId)).map(({ id }) => id));
  return (await scratch.database.outbox.take(10_000)).filter(({ stageId }) => stages.has(stageId));
};

it('sends nothing of a paused job, and all of it when the job is resumed', async () => {
  const { database } = scratch;
  const job = await database.jobs.create(await examplePlan(database));
  expect(await database.jobs.pause(job.id)).toMatchObject({ status: 'paused' });
  expect(await statusesOf(database, job)).toMatchObject({ 'embed-0': 'paused', reduce: 'waiting' });
  expect(await messagesOf(job.id)).toEqual([]);
  expect(await database.jobs.pause(job.id)).toMatchObject({ status: 'paused' });
  expect(await database.jobs.resume(job.id)).toMatchObject({ status: 'queued' });
  expect(await messagesOf(job.id)).toHaveLength(2);
  expect(await database.jobs.resume(job.id)).toMatchObject({ status: 'queued' });
  await complete(database, job, ['embed-0', 'embed-1', 'reduce', 'train-0', 'evaluate-0']);
  expect(await database.jobs.get(job.id)).toMatchObject({ status: 'succeeded' });
  expect(await auditJob(database, job.id)).toEqual([]);
});

it('tells a running stage to hand itself back, and lets it go on from its checkpoint', async () => {
  const { database } = scratch;
  const job = await database.jobs.create(await examplePlan(database));
  await complete(database, job, ['embed-0', 'embed-1', 'reduce']);
  const claim = await claimOf(database, await stageOf(database, job, 'train-0'));
  expect(await database.stages.heartbeat(claim, { leaseSeconds: 60 })).toBe('ok');
  await database.jobs.pause(job.id);
  expect(await database.stages.heartbeat(claim, { leaseSeconds: 60 })).toBe('paused');
  await database.runs.saveCheckpoint(claim, { step: 7, digest: 'sha256:seven', bytes: 1 });
  await database.stages.release(claim);
  expect(await statusesOf(database, job)).toMatchObject({ 'train-0': 'paused' });
  expect(await messagesOf(job.id)).toEqual([]);
  expect(await database.jobs.resume(job.id)).toMatchObject({ status: 'running' });
  const next = await claimOf(database, await stageOf(database, job, 'train-0'));
  expect(next.checkpoints).toEqual([{ step: 7, digest: 'sha256:seven' }]);
  expect(next.attempt).toBe(1);
  expect(await auditJob(database, job.id)).toEqual([]);
});

it('keeps the results of stages that end while the job is paused, and starts nothing behind them', async () => {
  const { database } = scratch;
  const job = await database.jobs.create(await examplePlan(database));
  const claims = [
    await claimOf(database, await stageOf(database, job, 'embed-0')),
    await claimOf(database, await stageOf(database, job, 'embed-1')),
  ];
  await database.jobs.pause(job.id);
  for (const claim of claims) expect(await database.stages.succeed(claim, resultOf('embed'))).toBe(true);
  expect(await statusesOf(database, job)).toMatchObject({ 'embed-1': 'succeeded', reduce: 'waiting' });
  await database.jobs.resume(job.id);
  expect(await statusesOf(database, job)).toMatchObject({ reduce: 'queued' });
});

it('ends a paused job whose last stage succeeds, fails or is lost', async () => {
  const { database } = scratch;
  const paused = async () => {
    const job = await database.jobs.create(await examplePlan(database));
    await complete(database, job, ['embed-0', 'embed-1', 'reduce', 'train-0']);
    const claim = await claimOf(database, await stageOf(database, job, 'evaluate-0'));
    await database.jobs.pause(job.id);
    return { job, claim };
  };
  const good = await paused();
  await database.stages.succeed(good.claim, resultOf('evaluate'));
  expect(await database.jobs.get(good.job.id)).toMatchObject({ status: 'succeeded' });
  const bad = await paused();
  await database.stages.fail(bad.claim, { error: 'no such image', retryable: false, maxAttempts: 3 });
  expect(await database.jobs.get(bad.job.id)).toMatchObject({ status: 'failed' });
  const lost = await paused();
  await database.stages.heartbeat(lost.claim, { leaseSeconds: -1 });
  await database.stages.requeueLost();
  expect(await statusesOf(database, lost.job)).toMatchObject({ 'evaluate-0': 'paused' });
  for (const { job } of [good, bad, lost]) expect(await auditJob(database, job.id)).toEqual([]);
});

it('cancels a paused job at once, and pauses none that has ended or is about to', async () => {
  const { database } = scratch;
  const job = await database.jobs.create(await examplePlan(database));
  await database.jobs.pause(job.id);
  expect(await database.jobs.cancel(job.id)).toMatchObject({ status: 'cancelled' });
  await expect(database.jobs.pause(job.id)).rejects.toThrow('is cancelled already');
  await expect(database.jobs.resume(job.id)).rejects.toThrow('/retry makes stages of it again');
  const other = await database.jobs.create(await examplePlan(database));
  await claimOf(database, await stageOf(database, other, 'embed-0'));
  await database.jobs.cancel(other.id);
  await expect(database.jobs.pause(other.id)).rejects.toThrow('is being cancelled');
  await expect(database.jobs.pause('job_none')).rejects.toThrow('There is no job "job_none"');
  expect(await auditJob(database, job.id)).toEqual([]);
});
