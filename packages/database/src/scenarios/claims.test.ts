import { expect, it } from 'vitest';
import { claimOf, complete, examplePlan, resultOf, stageOf, statusesOf } from '../testing/examples.js';
import { useScratch } from '../testing/scratch.js';

const scratch = useScratch();

it('lets one of many workers have a stage that they all claim at once', async () => {
  const { database } = scratch;
  const job = await database.jobs.create(await examplePlan(database));
  const { id: stageId, dispatch } = await stageOf(database, job, 'embed-0');
  const claims = await Promise.all(
    Array.from({ length: 8 }, (_, index) =>
      database.stages.claim({ stageId, dispatch, worker: `worker ${index}`, leaseSeconds: 60 }),
    ),
  );
  expect(claims.filter((claim) => claim !== null)).toHaveLength(1);
  expect((await database.stages.get(stageId))?.fence).toBe(1);
});

it('refuses a message that is older than the newest, of a stage that has ended, or that does not exist', async () => {
  const { database } = scratch;
  const job = await database.jobs.create(await examplePlan(database));
  const stage = await stageOf(database, job, 'embed-0');
  const request = { stageId: stage.id, dispatch: stage.dispatch, worker: 'worker', leaseSeconds: 60 };
  await database.stages.release(await claimOf(database, stage));
  expect(await database.stages.claim(request)).toBeNull();
  const claim = await claimOf(database, await stageOf(database, job, 'embed-0'));
  await database.stages.succeed(claim, resultOf('embed'));
  expect(await database.stages.claim({ ...request, dispatch: 2 })).toBeNull();
  expect(await database.stages.claim({ ...request, stageId: 'stg_unknown' })).toBeNull();
});

it('gives a claim the results of its dependencies in the order of the plan', async () => {
  const { database } = scratch;
  const job = await database.jobs.create(await examplePlan(database, { shards: 3 }));
  for (const [index, ref] of ['embed-2', 'embed-0', 'embed-1'].entries()) {
    const claim = await claimOf(database, await stageOf(database, job, ref));
    await database.stages.succeed(claim, { ...resultOf('embed'), count: index });
  }
  const reduce = await claimOf(database, await stageOf(database, job, 'reduce'));
  expect(reduce.dependencies.map((result) => result.kind === 'embed' && result.count)).toEqual([1, 2, 0]);
});

it('changes nothing for a fenced-out attempt, whatever it writes', async () => {
  const { database } = scratch;
  const job = await database.jobs.create(await examplePlan(database));
  await complete(database, job, ['embed-0', 'embed-1', 'reduce']);
  const old = await claimOf(database, await stageOf(database, job, 'train-0'));
  await database.stages.heartbeat(old, { leaseSeconds: -1 });
  await database.stages.requeueLost();
  const next = await claimOf(database, await stageOf(database, job, 'train-0'), 'another');
  const before = await stageOf(database, job, 'train-0');
  const events = await database.events.list(job.id, 0, 1000);

  const metric = { step: 1, epoch: 0, phase: 'rela' as const, loss: 1, rho: null, classifierAccuracy: null };
  expect(await database.runs.appendMetrics(old, [{ ...metric, seconds: 1 }])).toBe(false);
  expect(await database.runs.recordSwitch(old, 5)).toBe(false);
  expect(await database.runs.saveCheckpoint(old, { step: 1, digest: 'sha256:x', bytes: 1 })).toEqual([]);
  expect(await database.stages.heartbeat(old, { leaseSeconds: 60 })).toBe('lost');
  expect(await database.stages.succeed(old, resultOf('train'))).toBe(false);
  expect(await database.stages.fail(old, { error: 'x', retryable: false, maxAttempts: 5 })).toBe('lost');
  await database.stages.release(old);

  expect(await stageOf(database, job, 'train-0')).toEqual(before);
  expect(await database.events.list(job.id, 0, 1000)).toEqual(events);
  expect(await database.runs.metrics(next.runId ?? '', { afterStep: 0, limit: 10 })).toEqual([]);
  expect(await database.runs.checkpoint(before.id)).toBeNull();
  expect(await database.stages.succeed(next, resultOf('train'))).toBe(true);
});

it("queues a lost worker's stage again and tells the worker that it lost it", async () => {
  const { database } = scratch;
  const job = await database.jobs.create(await examplePlan(database));
  const claim = await claimOf(database, await stageOf(database, job, 'embed-0'));
  expect(await database.stages.requeueLost()).toBe(0);
  expect(await database.stages.heartbeat(claim, { leaseSeconds: -1 })).toBe('ok');
  expect(await database.stages.requeueLost()).toBe(1);
  const stage = await database.stages.get(claim.stageId);
  expect(stage).toMatchObject({ status: 'queued', dispatch: 2, attempt: 1 });
  expect(await database.stages.heartbeat(claim, { leaseSeconds: 60 })).toBe('lost');
  expect(await database.outbox.take(1000)).toContainEqual(
    expect.objectContaining({ stageId: claim.stageId, dispatch: 2, delayMs: 0 }),
  );
});

it('counts a lost worker once, however many look for it at the same time', async () => {
  const { database } = scratch;
  const job = await database.jobs.create(await examplePlan(database));
  const claim = await claimOf(database, await stageOf(database, job, 'embed-0'));
  await database.stages.heartbeat(claim, { leaseSeconds: -1 });
  const counts = await Promise.all([1, 2, 3, 4].map(() => database.stages.requeueLost()));
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(1);
  expect(await database.stages.get(claim.stageId)).toMatchObject({ status: 'queued', dispatch: 2 });
});

it('fails a stage whose worker was lost too often, unless each attempt got further than the last', async () => {
  const { database } = scratch;
  const job = await database.jobs.create(await examplePlan(database));
  const lose = async (ref: string, step?: number) => {
    const claim = await claimOf(database, await stageOf(database, job, ref));
    if (step !== undefined)
      await database.runs.saveCheckpoint(claim, { step, digest: `sha256:${step}`, bytes: 1 });
    await database.stages.heartbeat(claim, { leaseSeconds: -1 });
    await database.stages.requeueLost({ maxAttempts: 2 });
  };
  await complete(database, job, ['embed-0', 'embed-1', 'reduce']);
  for (const step of [10, 20, 30]) await lose('train-0', step);
  expect((await stageOf(database, job, 'train-0')).status).toBe('queued');
  await lose('train-0');
  expect(await stageOf(database, job, 'train-0')).toMatchObject({ status: 'failed', attempt: 4 });
  expect(await database.jobs.get(job.id)).toMatchObject({ status: 'failed' });
});

it('counts no attempt for a stage that was handed back', async () => {
  const { database } = scratch;
  const job = await database.jobs.create(await examplePlan(database));
  for (const worker of ['a', 'b', 'c'])
    await database.stages.release(await claimOf(database, await stageOf(database, job, 'embed-0'), worker));
  const claim = await claimOf(database, await stageOf(database, job, 'embed-0'));
  expect(claim).toMatchObject({ attempt: 1, fence: 4 });
});

it('tries a failed attempt again after a growing pause, and gives up after the last', async () => {
  const { database } = scratch;
  const job = await database.jobs.create(await examplePlan(database));
  const outcome = { error: 'no room', retryable: true, maxAttempts: 3 };
  const delays: number[] = [];
  for (const expected of ['requeued', 'requeued', 'failed']) {
    const claim = await claimOf(database, await stageOf(database, job, 'embed-0'));
    expect(await database.stages.fail(claim, outcome)).toBe(expected);
    // The same call again, as after a lost answer, tells the same.
    expect(await database.stages.fail(claim, outcome)).toBe(expected);
    const message = (await database.outbox.take(1000)).find(({ stageId }) => stageId === claim.stageId);
    if (message) delays.push(Math.round(message.delayMs / 1000));
  }
  expect(delays).toEqual([1, 2]);
  expect(await statusesOf(database, job)).toMatchObject({ 'embed-0': 'failed', reduce: 'cancelled' });
});

it('offers an existing result to a job that reuses, and never to one that does not', async () => {
  const { database } = scratch;
  const first = await database.jobs.create(await examplePlan(database, { salt: 'same' }));
  await complete(database, first, ['embed-0']);
  for (const reuse of [true, false]) {
    const job = await database.jobs.create(await examplePlan(database, { salt: 'same', reuse }));
    const claim = await claimOf(database, await stageOf(database, job, 'embed-0'));
    expect(claim).toMatchObject({ reuse, existing: reuse ? resultOf('embed') : null });
    if (claim.existing) await database.stages.succeed(claim, claim.existing, { reused: true });
  }
});
