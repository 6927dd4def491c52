/** A job whose prior is chosen among several: what is planned at first, what the choice adds, and what a failed one takes along. */
import type { JobPlan, PlannedStage } from '@rela/contracts';
import { expect, it } from 'vitest';
import { claimOf, complete, examplePlan, resultOf, stageOf, statusesOf } from '../testing/examples.js';
import { useScratch } from '../testing/scratch.js';

const scratch = useScratch();

/** The plan of `full` until a prior is chosen: two appraisals, the choice, and the runs, of which the first needs it. */
function awaiting(full: JobPlan): JobPlan {
  const before = (ref: string, dependsOn: string[], kind: 'appraise' | 'choose'): PlannedStage => ({
    ...{ ref, kind, runRef: null, resultKey: `${ref}:${full.stages[0]!.resultKey}`, dependsOn, after: [] },
    // Read by workers alone.
    input: { kind, refuse: false } as unknown as PlannedStage['input'],
  });
  const runs = full.stages
    .filter(({ runRef }) => runRef !== null)
    .map((stage) => {
      if (stage.kind !== 'train') return stage;
      const needs = stage.dependsOn.length > 0;
      return { ...stage, dependsOn: needs ? ['choose'] : [], after: needs ? [] : ['choose'] };
    });
  const appraisals = ['appraise-0', 'appraise-1'];
  return {
    ...full,
    priorId: null,
    stages: [
      ...appraisals.map((ref) => before(ref, [], 'appraise')),
      before('choose', appraisals, 'choose'),
      ...runs,
    ],
  };
}

const COMPARED = { score: 0.3, distance: 0.2, reached: 0.1, alignment: 0.5 };
const chosen = {
  ...resultOf('choose'),
  candidates: [{ ...resultOf('appraise'), ...COMPARED, flags: ['is odd'] }],
};

async function untilChoice(full: JobPlan) {
  const { database } = scratch;
  const job = await database.jobs.create(awaiting(full));
  await complete(database, job, ['appraise-0', 'appraise-1']);
  return { job, claim: await claimOf(database, await stageOf(database, job, 'choose')) };
}

it('plans the rest of the job in the transaction that keeps the choice, and carries it to its end', async () => {
  const { database } = scratch;
  const full = await examplePlan(database, { control: true });
  const { job, claim } = await untilChoice(full);
  expect(job).toMatchObject({ priorId: null, choice: null });
  expect(claim.dependencies).toHaveLength(2);
  expect(await database.stages.succeed(claim, chosen, { facts: { plan: full } })).toBe(true);
  expect(await statusesOf(database, job)).toMatchObject({
    ...{ 'embed-0': 'queued', 'embed-1': 'queued', reduce: 'waiting', 'train-0': 'waiting' },
    'train-1': 'waiting',
  });
  expect(await database.jobs.get(job.id)).toMatchObject({
    priorId: full.priorId,
    choice: { name: 'digits', reason: 'score 0.3, the highest' },
    appraisals: [{ rank: 40 }, { rank: 40 }],
    warnings: ['Prior "digits": is odd.'],
  });
  const train = await stageOf(database, job, 'train-0');
  expect(train.input).toMatchObject({
    reduceKey: full.stages.find(({ ref }) => ref === 'reduce')!.resultKey,
  });
  await complete(database, job, ['embed-0', 'embed-1', 'reduce', 'train-0', 'evaluate-0']);
  await complete(database, job, ['train-1', 'evaluate-1']);
  expect(await database.jobs.get(job.id)).toMatchObject({ status: 'succeeded' });
  const [run] = job.runs;
  // The embedding and the reduction, two appraisals and the choice.
  expect((await database.runs.get(run!.id))?.result).toMatchObject({ priorSeconds: 6.5 + 3 });
  const kinds = (await database.jobs.get(job.id))!.stages.map(({ kind }) => kind);
  expect(kinds.slice(0, 4)).toEqual(['appraise', 'choose', 'embed', 'reduce']);
});

it('plans nothing twice where the worker tells of its choice again', async () => {
  const { database } = scratch;
  const full = await examplePlan(database);
  const { job, claim } = await untilChoice(full);
  for (const _ of [1, 2]) await database.stages.succeed(claim, resultOf('choose'), { facts: { plan: full } });
  expect(await database.stages.listByJob(job.id)).toHaveLength(3 + full.stages.length);
});

it('fails the runs that need a prior where no candidate is of use, and lets the control train', async () => {
  const { database } = scratch;
  const { job, claim } = await untilChoice(await examplePlan(database, { control: true }));
  const error = 'No candidate carries anything to learn from.';
  await database.stages.fail(claim, { error, retryable: false, maxAttempts: 3 });
  expect(await statusesOf(database, job)).toMatchObject({ 'train-0': 'cancelled', 'train-1': 'queued' });
  await complete(database, job, ['train-1', 'evaluate-1']);
  expect(await database.jobs.get(job.id)).toMatchObject({
    status: 'failed',
    runs: [{ status: 'failed' }, { status: 'succeeded' }],
    error: expect.stringContaining(error),
  });
});

it('plans nothing for a job that was cancelled while the choice was made', async () => {
  const { database } = scratch;
  const full = await examplePlan(database);
  const { job, claim } = await untilChoice(full);
  await database.jobs.cancel(job.id);
  await database.stages.succeed(claim, resultOf('choose'), { facts: { plan: full } });
  expect(await database.stages.listByJob(job.id)).toHaveLength(3 + 2);
  expect(await database.jobs.get(job.id)).toMatchObject({ status: 'cancelled', priorId: null });
});

it('chooses anew although an equal choice was made before: with it goes the plan', async () => {
  const { database } = scratch;
  const full = await examplePlan(database, { reuse: true });
  const { claim } = await untilChoice(full);
  await database.stages.succeed(claim, resultOf('choose'), { facts: { plan: full } });
  const job = await database.jobs.create(awaiting(full));
  for (const ref of ['appraise-0', 'appraise-1']) {
    const again = await claimOf(database, await stageOf(database, job, ref));
    expect(again.existing).toMatchObject({ kind: 'appraise' });
    await database.stages.succeed(again, again.existing!, { reused: true });
  }
  expect((await claimOf(database, await stageOf(database, job, 'choose'))).existing).toBeNull();
});

it('charges a run for the look at its own prior alone, where the job has several', async () => {
  const { database } = scratch;
  const full = await examplePlan(database, { shards: 1 });
  const { stages } = awaiting(full);
  const [own, other] = stages.filter(({ kind }) => kind === 'appraise');
  const waiting = full.stages.map((stage) =>
    stage.kind === 'embed' ? { ...stage, dependsOn: [own!.ref] } : stage,
  );
  const job = await database.jobs.create({ ...full, stages: [own!, other!, ...waiting] });
  await complete(database, job, ['appraise-0', 'appraise-1', 'embed-0', 'reduce', 'train-0', 'evaluate-0']);
  const [run] = job.runs;
  // The embedding and the reduction, and one of two appraisals.
  expect((await database.runs.get(run!.id))?.result).toMatchObject({ priorSeconds: 6.5 + 1 });
});
