import type { PlannedStage } from '@rela/contracts';
import { expect, it } from 'vitest';
import { auditJob } from '../audit.js';
import {
  claimOf,
  complete,
  digestOf,
  examplePlan,
  examplePrior,
  resultOf,
  stageOf,
} from '../testing/examples.js';
import { useScratch } from '../testing/scratch.js';

const scratch = useScratch();
const worker = { worker: 'worker', leaseSeconds: 60 };

it('claims and ends the stages of several jobs that are asked for at once, each once, and goes on with what waited', async () => {
  const { database } = scratch;
  const jobs = await Promise.all(
    Array.from({ length: 4 }, async () => database.jobs.create(await examplePlan(database, { shards: 25 }))),
  );
  const stages = (await Promise.all(jobs.map(({ id }) => database.stages.listByJob(id)))).flat();
  const embeds = stages.filter(({ kind }) => kind === 'embed');
  const requests = [...embeds, ...embeds].map(({ id, dispatch }) => ({ ...worker, stageId: id, dispatch }));
  const claims = (await Promise.all(requests.map((request) => database.stages.claim(request)))).filter(
    (claim) => claim !== null,
  );
  expect(new Set(claims.map(({ stageId }) => stageId)).size).toBe(100);
  expect(claims).toHaveLength(100);
  // A claim knows its own stage, not its neighbour's.
  const keys = new Map(embeds.map(({ id, resultKey }) => [id, resultKey]));
  for (const { stageId, resultKey } of claims) expect(resultKey).toBe(keys.get(stageId));
  const fencedOut = { stageId: claims[0]!.stageId, fence: 7 };
  const ended = await Promise.all(
    [...claims, fencedOut].map((claim) => database.stages.succeed(claim, resultOf('embed'))),
  );
  expect(ended).toEqual([...claims.map(() => true), false]);
  for (const job of jobs) {
    expect(await stageOf(database, job, 'reduce')).toMatchObject({ status: 'queued', dispatch: 1 });
    expect(await auditJob(database, job.id)).toEqual([]);
  }
});

it('lets one stage that is given a result of another kind spoil no other', async () => {
  const { database } = scratch;
  const job = await database.jobs.create(await examplePlan(database, { shards: 3 }));
  const claims = [];
  for (const ref of ['embed-0', 'embed-1', 'embed-2'])
    claims.push(await claimOf(database, await stageOf(database, job, ref)));
  const ends = await Promise.allSettled(
    claims.map((claim, index) => database.stages.succeed(claim, resultOf(index === 1 ? 'reduce' : 'embed'))),
  );
  expect(ends.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(await stageOf(database, job, 'embed-1')).toMatchObject({ status: 'running' });
  expect(await auditJob(database, job.id)).toEqual([]);
});

it('keeps the jobs of others waiting for none whose lock somebody has', async () => {
  const { database } = scratch;
  const [held, free] = [
    await database.jobs.create(await examplePlan(database)),
    await database.jobs.create(await examplePlan(database)),
  ];
  const stages = [await stageOf(database, held, 'embed-0'), await stageOf(database, free, 'embed-0')];
  let release: () => void = () => undefined;
  const locked = new Promise<void>((resolve) => {
    void database.transaction(async (tx) => {
      await tx.$queryRaw`SELECT 1 AS one FROM job WHERE id = ${held.id} FOR UPDATE`;
      resolve();
      await new Promise<void>((unlock) => (release = unlock));
    });
  });
  await locked;
  const [late, soon] = stages.map(({ id, dispatch }) =>
    database.stages.claim({ ...worker, stageId: id, dispatch }),
  );
  expect(await soon).toMatchObject({ jobId: free.id });
  release();
  expect(await late).toMatchObject({ jobId: held.id });
});

it('queues a stage behind many only when the last of them has ended, in whatever order they end, also after it was sent again', async () => {
  const { database } = scratch;
  const job = await database.jobs.create(await examplePlan(database, { shards: 4 }));
  await complete(database, job, ['embed-3', 'embed-0', 'embed-2']);
  expect((await stageOf(database, job, 'reduce')).status).toBe('waiting');
  await complete(database, job, ['embed-1', 'reduce', 'train-0', 'evaluate-0']);
  await database.jobs.retry(job.id, { from: 'embed' });
  await complete(database, job, ['embed-1', 'embed-2', 'embed-3']);
  expect((await stageOf(database, job, 'reduce')).status).toBe('waiting');
  await complete(database, job, ['embed-0']);
  expect((await stageOf(database, job, 'reduce')).status).toBe('queued');
});

it('accepts jobs that are submitted at once, each with its own stages and events', async () => {
  const { database } = scratch;
  const plans = await Promise.all(
    Array.from({ length: 12 }, (_, index) =>
      examplePlan(database, { name: `job ${index}`, shards: 1 + (index % 3) }),
    ),
  );
  const jobs = await Promise.all(plans.map((plan) => database.jobs.create(plan)));
  for (const [index, job] of jobs.entries()) {
    expect(job).toMatchObject({ name: `job ${index}`, status: 'queued' });
    expect(job.stages.find(({ kind }) => kind === 'embed')?.total).toBe(1 + (index % 3));
    expect(await database.jobs.get(job.id)).toEqual(job);
    expect(await auditJob(database, job.id)).toEqual([]);
  }
});

it('queues what becomes possible at once in portions, the next one with the next claim, and all of it in the end', async () => {
  const { database } = scratch;
  const plan = await examplePlan(database, { shards: 2500 });
  const input = {
    ...{ kind: 'appraise', dataset: digestOf('manifest'), refuse: true },
    ...{ prior: await database.priors.create(examplePrior) },
  } as unknown as PlannedStage['input'];
  const first: PlannedStage = {
    ...{ ref: 'appraise', kind: 'appraise', runRef: null, resultKey: 'appraise:portions', input },
    ...{ dependsOn: [], after: [] },
  };
  const rest = plan.stages.map((stage) =>
    stage.kind === 'embed' ? { ...stage, dependsOn: ['appraise'] } : stage,
  );
  const job = await database.jobs.create({ ...plan, stages: [first, ...rest] });
  const queued = async () =>
    (await database.stages.listByJob(job.id)).filter(
      ({ kind, status }) => kind === 'embed' && status === 'queued',
    );

  await complete(database, job, ['appraise']);
  const portion = await queued();
  expect(portion.map(({ resultKey }) => resultKey.split(':')[0])).toEqual(
    Array.from({ length: 1000 }, (_, index) => `embed-${index}`),
  );
  const claim = await claimOf(database, portion[0]!);
  expect(await queued()).toHaveLength(1999);
  await database.stages.succeed(claim, resultOf('embed'));
  expect(await queued()).toHaveLength(2499);

  const claims = await Promise.all(
    (await queued()).map(({ id, dispatch }) => database.stages.claim({ ...worker, stageId: id, dispatch })),
  );
  await Promise.all(claims.map((one) => database.stages.succeed(one!, resultOf('embed'))));
  await complete(database, job, ['reduce', 'train-0', 'evaluate-0']);
  expect((await database.jobs.get(job.id))?.status).toBe('succeeded');
  expect(await auditJob(database, job.id)).toEqual([]);
});

it('loses nothing of a job that is paused, and goes on, between two portions', async () => {
  const { database } = scratch;
  const plan = await examplePlan(database, { shards: 2500 });
  const gate: PlannedStage = { ...plan.stages[0]!, ref: 'gate', resultKey: 'gate:portions' };
  const rest = plan.stages.map((stage) =>
    stage.kind === 'embed' ? { ...stage, dependsOn: ['gate'] } : stage,
  );
  const job = await database.jobs.create({ ...plan, stages: [gate, ...rest] });
  const running = await claimOf(database, await stageOf(database, job, 'gate'));
  await database.stages.succeed(running, resultOf('embed'));
  const [next] = (await database.stages.listByJob(job.id)).filter(({ status }) => status === 'queued');
  const claim = await claimOf(database, next!);
  await database.jobs.pause(job.id);
  await database.stages.succeed(claim, resultOf('embed'));
  await database.jobs.resume(job.id);
  const stages = await database.stages.listByJob(job.id);
  expect(stages.filter(({ kind, status }) => kind === 'embed' && status === 'queued')).toHaveLength(2499);
  expect(await auditJob(database, job.id)).toEqual([]);
});
