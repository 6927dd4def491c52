import { expect, it } from 'vitest';
import { auditJob } from '../audit.js';
import { addDataset, claimOf, complete, examplePlan, stageOf, statusesOf } from '../testing/examples.js';
import { useScratch } from '../testing/scratch.js';

const scratch = useScratch();

const metric = { epoch: 0, phase: 'rela' as const, loss: 1, rho: null, classifierAccuracy: null, seconds: 1 };

/** Every try of the stage breaks. */
async function breakDown(job: Parameters<typeof stageOf>[1], ref: string, error = 'out of memory') {
  const { database } = scratch;
  for (;;) {
    const claim = await claimOf(database, await stageOf(database, job, ref));
    if ((await database.stages.fail(claim, { error, retryable: true, maxAttempts: 2 })) === 'failed') return;
  }
}

it('sends what failed again, with what was cancelled by it, and keeps what has succeeded', async () => {
  const { database } = scratch;
  const job = await database.jobs.create(await examplePlan(database, { runs: 2 }));
  await complete(database, job, ['embed-0', 'embed-1', 'reduce', 'train-1', 'evaluate-1']);
  const claim = await claimOf(database, await stageOf(database, job, 'train-0'));
  await database.runs.saveCheckpoint(claim, { step: 5, digest: 'sha256:five', bytes: 1 });
  await database.stages.fail(claim, { error: 'broken', retryable: false, maxAttempts: 3 });
  expect(await database.jobs.get(job.id)).toMatchObject({ status: 'failed' });

  expect(await database.jobs.retry(job.id)).toMatchObject({
    ...{ status: 'queued', error: null, endedAt: null },
    runs: [{ status: 'queued' }, { status: 'succeeded' }],
  });
  expect(await statusesOf(database, job)).toMatchObject({
    ...{ reduce: 'succeeded', 'train-0': 'queued', 'evaluate-0': 'waiting', 'train-1': 'succeeded' },
  });
  const next = await claimOf(database, await stageOf(database, job, 'train-0'));
  expect(next.checkpoints).toEqual([{ step: 5, digest: 'sha256:five' }]);
  await database.stages.release(next);
  await complete(database, job, ['train-0', 'evaluate-0']);
  expect(await database.jobs.get(job.id)).toMatchObject({ status: 'succeeded', error: null });
  expect(await auditJob(database, job.id)).toEqual([]);
});

it('makes a stage and what builds on it again from the start, without the results that are there', async () => {
  const { database } = scratch;
  const job = await database.jobs.create(await examplePlan(database, { runs: 2, reuse: true }));
  await complete(database, job, ['embed-0', 'embed-1', 'reduce']);
  const claim = await claimOf(database, await stageOf(database, job, 'train-0'));
  await database.runs.saveCheckpoint(claim, { step: 5, digest: 'sha256:five', bytes: 1 });
  await database.runs.appendMetrics(claim, [{ ...metric, step: 5 }]);
  await database.stages.release(claim);
  await complete(database, job, ['train-0', 'evaluate-0', 'train-1', 'evaluate-1']);
  const { id } = await stageOf(database, job, 'train-0');

  await database.jobs.retry(job.id, { from: id });
  expect(await statusesOf(database, job)).toMatchObject({
    ...{ 'train-0': 'queued', 'evaluate-0': 'waiting', 'train-1': 'succeeded' },
  });
  const again = await claimOf(database, await stageOf(database, job, 'train-0'));
  expect(again).toMatchObject({ existing: null, checkpoints: [] });
  expect(await database.runs.metrics(job.runs[0]!.id, { afterStep: 0, limit: 10 })).toEqual([]);
  await database.stages.release(again);
  await complete(database, job, ['train-0', 'evaluate-0']);
  expect(await database.jobs.get(job.id)).toMatchObject({ status: 'succeeded' });

  await database.jobs.retry(job.id, { from: 'evaluate' });
  expect(await statusesOf(database, job)).toMatchObject({
    ...{ 'train-1': 'succeeded', 'evaluate-0': 'queued', 'evaluate-1': 'queued' },
  });
  await complete(database, job, ['evaluate-0', 'evaluate-1']);
  expect(await auditJob(database, job.id)).toEqual([]);
});

it('makes again what a stage builds on where that was cancelled too, and keeps what is there', async () => {
  const { database } = scratch;
  const job = await database.jobs.create(await examplePlan(database, { runs: 2 }));
  await complete(database, job, ['embed-0']);
  await database.jobs.cancel(job.id);
  await database.jobs.retry(job.id, { from: 'train' });
  expect(await statusesOf(database, job)).toMatchObject({
    ...{ 'embed-0': 'succeeded', 'embed-1': 'queued', reduce: 'waiting', 'train-0': 'waiting' },
  });
  await complete(database, job, ['embed-1', 'reduce', 'train-0', 'evaluate-0', 'train-1', 'evaluate-1']);
  expect(await database.jobs.get(job.id)).toMatchObject({ status: 'succeeded' });
  expect(await auditJob(database, job.id)).toEqual([]);
});

it('sends a cancelled job again', async () => {
  const { database } = scratch;
  const job = await database.jobs.create(await examplePlan(database));
  await complete(database, job, ['embed-0']);
  await database.jobs.cancel(job.id);
  await database.jobs.retry(job.id);
  await complete(database, job, ['embed-1', 'reduce', 'train-0', 'evaluate-0']);
  expect(await database.jobs.get(job.id)).toMatchObject({ status: 'succeeded' });
  expect(await auditJob(database, job.id)).toEqual([]);
});

it('says why a job is not sent again', async () => {
  const { database } = scratch;
  const job = await database.jobs.create(await examplePlan(database));
  await expect(database.jobs.retry(job.id)).rejects.toThrow('is queued; it can be sent again when it has');
  await complete(database, job, ['embed-0', 'embed-1', 'reduce', 'train-0', 'evaluate-0']);
  await expect(database.jobs.retry(job.id)).rejects.toThrow('name a stage as `from`');
  await expect(database.jobs.retry(job.id, { from: 'join' })).rejects.toThrow('has no stage "join"');
  const other = await database.jobs.create(await examplePlan(database));
  const { id } = await stageOf(database, other, 'reduce');
  await expect(database.jobs.retry(job.id, { from: id })).rejects.toThrow(`has no stage "${id}"`);
});

it('lists what was given up after all of its tries, and forgets it when it is sent again', async () => {
  const { database } = scratch;
  const job = await database.jobs.create(await examplePlan(database));
  await breakDown(job, 'embed-0');
  const bad = await database.jobs.create(await examplePlan(database));
  const claim = await claimOf(database, await stageOf(database, bad, 'embed-0'));
  await database.stages.fail(claim, { error: 'no such image', retryable: false, maxAttempts: 2 });
  const { id: stageId } = await stageOf(database, job, 'embed-0');
  const { items } = await database.deadLetters.list({ limit: 10 });
  expect(items).toMatchObject([
    { stageId, jobId: job.id, kind: 'embed', attempts: 2, worker: 'worker', error: 'out of memory' },
  ]);
  await database.jobs.retry(job.id);
  expect((await database.deadLetters.list({ limit: 10 })).items).toEqual([]);
});

it('counts the tries of a dead stage anew when it is sent again', async () => {
  const { database } = scratch;
  const job = await database.jobs.create(await examplePlan(database));
  await breakDown(job, 'embed-0');
  await database.jobs.retry(job.id);
  const claim = await claimOf(database, await stageOf(database, job, 'embed-0'));
  expect(await database.stages.fail(claim, { error: 'again', retryable: true, maxAttempts: 2 })).toBe(
    'requeued',
  );
  expect(await auditJob(database, job.id)).toEqual([]);
});

it('reads the images of a failed dataset again, and leaves one that is ready', async () => {
  const { database } = scratch;
  const { dataset, stageId } = await addDataset(database);
  const claimed = async () => claimOf(database, (await database.stages.get(stageId))!);
  const failure = { error: 'the disk is away', retryable: true, maxAttempts: 1 };
  await database.stages.fail(await claimed(), failure);
  expect((await database.deadLetters.list({ limit: 10 })).items).toMatchObject([
    { stageId, jobId: null, datasetId: dataset.id, kind: 'ingest' },
  ]);
  expect(await database.datasets.retry(dataset.id)).toMatchObject({ status: 'queued', error: null });
  await claimed();
  expect(await database.datasets.retry(dataset.id)).toMatchObject({ status: 'running' });
  await expect(database.datasets.retry('ds_none')).rejects.toThrow('There is no dataset "ds_none"');
});

it('gives up a stage whose workers are lost after as many tries as its job allows', async () => {
  const { database } = scratch;
  const job = await database.jobs.create(await examplePlan(database, { limits: { attempts: 1 } }));
  expect(job.limits).toEqual({ attempts: 1 });
  const claim = await claimOf(database, await stageOf(database, job, 'embed-0'));
  expect(claim.limits).toEqual({ attempts: 1 });
  await database.stages.heartbeat(claim, { leaseSeconds: -1 });
  await database.stages.requeueLost();
  expect(await database.jobs.get(job.id)).toMatchObject({ status: 'failed' });
});
