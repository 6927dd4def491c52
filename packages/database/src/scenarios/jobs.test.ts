import { expect, it } from 'vitest';
import { claimOf, complete, examplePlan, resultOf, stageOf, statusesOf } from '../testing/examples.js';
import { useScratch } from '../testing/scratch.js';

const scratch = useScratch();

it('carries a job from its acceptance to its result', async () => {
  const { database } = scratch;
  const job = await database.jobs.create(await examplePlan(database));
  expect(job).toMatchObject({ status: 'queued', runs: [{ name: 'run-0', status: 'queued' }] });
  expect(job.stages.map(({ kind, total }) => [kind, total])).toEqual([
    ['embed', 2],
    ['reduce', 1],
    ['train', 1],
    ['evaluate', 1],
  ]);
  await complete(database, job, ['embed-0', 'embed-1', 'reduce', 'train-0']);
  const runId = job.runs[0]?.id ?? '';
  expect(await database.runs.get(runId)).toMatchObject({
    status: 'running',
    result: { accuracy: null, trainSeconds: 40 },
  });
  await complete(database, job, ['evaluate-0']);
  expect(await database.runs.get(runId)).toMatchObject({
    status: 'succeeded',
    reused: false,
    result: {
      accuracy: 0.9,
      knn: 0.8,
      priorSeconds: 6.5,
      trainSeconds: 40,
      evaluateSeconds: 5,
      switchStep: 80,
    },
  });
  expect(await database.jobs.get(job.id)).toMatchObject({ status: 'succeeded', error: null });
  expect(await database.models.get(resultOf('train').model)).toMatchObject({
    runId,
    bytes: 1000,
    width: 128,
  });
});

it('leaves no row of a job whose creation is rolled back', async () => {
  const { database } = scratch;
  const plan = await examplePlan(database);
  const before = (await database.jobs.list({ limit: 200 })).items.length;
  const messages = (await database.outbox.take(1000)).length;
  await expect(
    database.transaction(async (tx) => {
      await database.jobs.create(plan, tx);
      throw new Error('the request broke off');
    }),
  ).rejects.toThrow('the request broke off');
  const [first, ...rest] = plan.stages;
  const broken = { ...plan, stages: [{ ...first!, dependsOn: ['nowhere'] }, ...rest] };
  await expect(database.jobs.create(broken)).rejects.toThrow('no stage "nowhere"');
  expect((await database.jobs.list({ limit: 200 })).items).toHaveLength(before);
  expect(await database.outbox.take(1000)).toHaveLength(messages);
});

it('queues a dependent exactly once when its last two dependencies finish at the same moment', async () => {
  const { database } = scratch;
  for (let round = 0; round < 10; round++) {
    const job = await database.jobs.create(await examplePlan(database));
    const claims = await Promise.all(
      ['embed-0', 'embed-1'].map(async (ref) => claimOf(database, await stageOf(database, job, ref))),
    );
    await Promise.all(claims.map((claim) => database.stages.succeed(claim, resultOf('embed'))));
    const reduce = await stageOf(database, job, 'reduce');
    expect(reduce).toMatchObject({ status: 'queued', dispatch: 1 });
    const messages = await database.outbox.take(1000);
    expect(messages.filter(({ stageId }) => stageId === reduce.id)).toHaveLength(1);
  }
});

it('lets the other run go on when one fails', async () => {
  const { database } = scratch;
  const job = await database.jobs.create(await examplePlan(database, { runs: 2 }));
  await complete(database, job, ['embed-0', 'embed-1', 'reduce']);
  const claim = await claimOf(database, await stageOf(database, job, 'train-0'));
  const error = 'The loss is not a number at step 7.';
  await database.stages.fail(claim, { error, retryable: false, maxAttempts: 5 });
  expect(await statusesOf(database, job)).toMatchObject({
    'train-0': 'failed',
    'evaluate-0': 'cancelled',
    'train-1': 'queued',
  });
  expect((await database.jobs.get(job.id))?.status).toBe('running');
  await complete(database, job, ['train-1', 'evaluate-1']);
  const [failed, succeeded] = await Promise.all(job.runs.map((run) => database.runs.get(run.id)));
  expect(failed).toMatchObject({ status: 'failed', error });
  expect(succeeded).toMatchObject({ status: 'succeeded', error: null });
  const ended = await database.jobs.get(job.id);
  expect(ended).toMatchObject({ status: 'failed' });
  expect(ended?.error).toContain(error);
});

it('ends the work that nobody needs any more when a shared stage fails', async () => {
  const { database } = scratch;
  const job = await database.jobs.create(await examplePlan(database, { runs: 2, shards: 3 }));
  const failing = await claimOf(database, await stageOf(database, job, 'embed-0'));
  const running = await claimOf(database, await stageOf(database, job, 'embed-1'));
  await database.stages.fail(failing, { error: 'bad shard', retryable: false, maxAttempts: 5 });
  expect(await statusesOf(database, job)).toMatchObject({
    'embed-1': 'running',
    'embed-2': 'cancelled',
    reduce: 'cancelled',
    'train-1': 'cancelled',
  });
  expect(await database.stages.heartbeat(running, { leaseSeconds: 60 })).toBe('cancelled');
  expect((await database.jobs.get(job.id))?.status).toBe('running');
  await database.stages.release(running);
  expect(await database.jobs.get(job.id)).toMatchObject({ status: 'failed' });
  expect(await database.runs.get(job.runs[1]?.id ?? '')).toMatchObject({
    status: 'failed',
    error: 'Its embed stage failed: bad shard',
  });
});

it('starts what only comes after a stage when that has succeeded', async () => {
  const { database } = scratch;
  const job = await database.jobs.create(await examplePlan(database, { control: true }));
  await complete(database, job, ['embed-0', 'embed-1']);
  expect(await statusesOf(database, job)).toMatchObject({ 'train-1': 'waiting' });
  await complete(database, job, ['reduce']);
  expect(await statusesOf(database, job)).toMatchObject({ 'train-0': 'queued', 'train-1': 'queued' });
  const control = await claimOf(database, await stageOf(database, job, 'train-1'));
  expect(control.dependencies).toEqual([]);
});

it('starts what only comes after a stage also when that has failed', async () => {
  const { database } = scratch;
  const job = await database.jobs.create(await examplePlan(database, { control: true }));
  const claim = await claimOf(database, await stageOf(database, job, 'embed-0'));
  await database.stages.fail(claim, { error: 'no such output', retryable: false, maxAttempts: 5 });
  expect(await statusesOf(database, job)).toMatchObject({
    ...{ 'embed-1': 'cancelled', reduce: 'cancelled', 'train-0': 'cancelled', 'train-1': 'queued' },
  });
  await complete(database, job, ['train-1', 'evaluate-1']);
  const { runs, status } = (await database.jobs.get(job.id))!;
  expect(runs.map((run) => run.status)).toEqual(['failed', 'succeeded']);
  expect(status).toBe('failed');
});

it('cancels a queued job at once', async () => {
  const { database } = scratch;
  const job = await database.jobs.create(await examplePlan(database));
  expect(await database.jobs.cancel(job.id)).toMatchObject({
    status: 'cancelled',
    runs: [{ status: 'cancelled' }],
  });
  const stages = await database.stages.listByJob(job.id);
  expect(new Set(stages.map((stage) => stage.status))).toEqual(new Set(['cancelled']));
  const messages = await database.outbox.take(1000);
  expect(messages.filter(({ stageId }) => stages.some((stage) => stage.id === stageId))).toEqual([]);
  expect(await database.jobs.cancel(job.id)).toMatchObject({ status: 'cancelled' });
});

it('cancels a running job when the last of its workers has heard of it', async () => {
  const { database } = scratch;
  const job = await database.jobs.create(await examplePlan(database));
  const [first, second] = [
    await claimOf(database, await stageOf(database, job, 'embed-0')),
    await claimOf(database, await stageOf(database, job, 'embed-1')),
  ];
  expect((await database.jobs.cancel(job.id)).status).toBe('running');
  expect(await database.stages.heartbeat(first, { leaseSeconds: 60 })).toBe('cancelled');
  expect(await database.stages.fail(first, { error: 'cancelled', retryable: true, maxAttempts: 5 })).toBe(
    'cancelled',
  );
  expect((await database.jobs.get(job.id))?.status).toBe('running');
  // The other one never answers again: its lease runs out.
  await database.stages.heartbeat(second, { leaseSeconds: -1 });
  await database.stages.requeueLost();
  expect(await database.jobs.get(job.id)).toMatchObject({ status: 'cancelled' });
});

it('keeps a result that comes in after the cancellation, and starts nothing after it', async () => {
  const { database } = scratch;
  const job = await database.jobs.create(await examplePlan(database, { shards: 1 }));
  const claim = await claimOf(database, await stageOf(database, job, 'embed-0'));
  await database.jobs.cancel(job.id);
  expect(await database.stages.succeed(claim, resultOf('embed'))).toBe(true);
  expect(await statusesOf(database, job)).toMatchObject({ 'embed-0': 'succeeded', reduce: 'cancelled' });
  expect(await database.jobs.get(job.id)).toMatchObject({ status: 'cancelled' });
});

it('cancels in the middle of many workers without losing one of them', async () => {
  const { database } = scratch;
  const job = await database.jobs.create(await examplePlan(database, { shards: 20 }));
  const embeds = (await database.stages.listByJob(job.id)).filter((stage) => stage.kind === 'embed');
  const work = embeds.map(async ({ id: stageId, dispatch }) => {
    const claim = await database.stages.claim({ stageId, dispatch, worker: 'worker', leaseSeconds: 60 });
    if (!claim) return;
    const answer = await database.stages.heartbeat(claim, { leaseSeconds: 60 });
    if (answer === 'ok') await database.stages.succeed(claim, resultOf('embed'));
    else await database.stages.release(claim);
  });
  await Promise.all([...work, database.jobs.cancel(job.id)]);
  expect(await database.jobs.get(job.id)).toMatchObject({ status: 'cancelled' });
  const ends = new Set((await database.stages.listByJob(job.id)).map((stage) => stage.status));
  expect([...ends].every((status) => status === 'succeeded' || status === 'cancelled')).toBe(true);
  const sequences = (await database.events.list(job.id, 0, 1000)).map((event) => event.sequence);
  expect(sequences).toEqual(sequences.map((_, index) => index + 1));
});

it('finds jobs by their labels and the start of their name, page by page', async () => {
  const { database } = scratch;
  const submit = async (name: string, labels: Record<string, string>) =>
    (await database.jobs.create(await examplePlan(database, { name, labels, shards: 1 }))).id;
  const first = await submit('Night_run 1', { team: 'vision', week: '7' });
  const second = await submit('night_run 2', { team: 'vision', week: '8' });
  const third = await submit('nightXrun', { team: 'speech' });
  const found = async (filter: Parameters<typeof database.jobs.list>[0]) =>
    (await database.jobs.list(filter)).items.map(({ id }) => id);
  expect(await found({ limit: 10, labels: { team: 'vision' } })).toEqual([second, first]);
  expect(await found({ limit: 10, labels: { team: 'vision', week: '7' } })).toEqual([first]);
  expect(await found({ limit: 10, labels: { team: 'vis' } })).toEqual([]);
  // What means something to LIKE is a letter like any other.
  expect(await found({ limit: 10, name: 'NIGHT_' })).toEqual([second, first]);
  expect(await found({ limit: 10, name: 'night', labels: { team: 'speech' } })).toEqual([third]);
  expect(await found({ limit: 10, name: '%' })).toEqual([]);
  const page = await database.jobs.list({ limit: 1, labels: { team: 'vision' } });
  expect(page).toMatchObject({ items: [{ id: second, labels: { week: '8' } }], next: second });
  expect(await found({ limit: 1, labels: { team: 'vision' }, cursor: second })).toEqual([first]);
});

it('refuses to cancel a job that has ended, and one that does not exist', async () => {
  const { database } = scratch;
  const job = await database.jobs.create(await examplePlan(database));
  await complete(database, job, ['embed-0', 'embed-1', 'reduce', 'train-0', 'evaluate-0']);
  await expect(database.jobs.cancel(job.id)).rejects.toMatchObject({ code: 'conflict' });
  await expect(database.jobs.cancel('job_unknown')).rejects.toMatchObject({ code: 'not-found' });
});

it('adds up the progress of the stages under way', async () => {
  const { database } = scratch;
  const job = await database.jobs.create(await examplePlan(database));
  for (const [ref, done] of [
    ['embed-0', 10],
    ['embed-1', 30],
  ] as const) {
    const claim = await claimOf(database, await stageOf(database, job, ref));
    const progress = { done, total: 60, unit: 'images', rate: 20, secondsLeft: null };
    await database.stages.heartbeat(claim, { leaseSeconds: 60, progress });
  }
  const [embed] = (await database.jobs.get(job.id))?.stages ?? [];
  expect(embed?.progress).toEqual({ done: 40, total: 120, unit: 'images', rate: 40, secondsLeft: 2 });
});

it('accepts a job of many shards', async () => {
  const { database } = scratch;
  const job = await database.jobs.create(await examplePlan(database, { shards: 3000 }));
  expect(job.stages[0]).toMatchObject({ kind: 'embed', total: 3000 });
  await database.jobs.cancel(job.id);
});

it('lists jobs newest first, page by page, and by status', async () => {
  const { database } = scratch;
  for (let made = 0; made < 4; made++) {
    const { id } = await database.jobs.create(await examplePlan(database, { shards: 1 }));
    if (made === 0) await database.jobs.cancel(id);
  }
  const seen: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await database.jobs.list({ limit: 3, cursor });
    seen.push(...page.items.map((job) => job.id));
    cursor = page.next ?? undefined;
  } while (cursor);
  expect(seen).toEqual([...new Set(seen)].sort().reverse());
  const cancelled = await database.jobs.list({ limit: 200, status: 'cancelled' });
  expect(new Set(cancelled.items.map((job) => job.status))).toEqual(new Set(['cancelled']));
  await expect(database.jobs.list({ limit: 3, cursor: 'nonsense' })).rejects.toMatchObject({
    code: 'invalid-request',
  });
});
