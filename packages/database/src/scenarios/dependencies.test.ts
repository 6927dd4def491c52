/** Jobs that wait for others: what lets them go on, what makes them fail, and what they can be told meanwhile. */
import type { Job, JobPlan, PlannedStage } from '@rela/contracts';
import { expect, it } from 'vitest';
import { auditJob } from '../audit.js';
import { claimOf, complete, examplePlan, resultOf, stageOf, statusesOf } from '../testing/examples.js';
import { useScratch } from '../testing/scratch.js';

const scratch = useScratch();
const SHORT = { shards: 1 };
const ALL = ['embed-0', 'reduce', 'train-0', 'evaluate-0'];

const submit = async (more: Partial<JobPlan> = {}) =>
  scratch.database.jobs.create({ ...(await examplePlan(scratch.database, SHORT)), ...more });
const afterJob = ({ id }: Job) => submit({ waitsFor: [{ jobId: id, runId: null }] });
const jobOf = async ({ id }: Job) => (await scratch.database.jobs.get(id))!;

/** As the orchestrator does. */
async function settle(): Promise<void> {
  while ((await scratch.database.dependencies.settle()) > 0);
}

async function failTraining(job: Job): Promise<void> {
  const { database } = scratch;
  await complete(database, job, ['embed-0', 'reduce']);
  const claim = await claimOf(database, await stageOf(database, job, 'train-0'));
  await database.stages.fail(claim, { error: 'The loss is not a number.', retryable: false, maxAttempts: 1 });
}

/** The plan of `full` until the model of the first run of `earlier` is a prior. */
function adopting(full: JobPlan, earlier: Job): JobPlan {
  const [run] = earlier.runs;
  const adopt: PlannedStage = {
    ...{ ref: 'adopt', kind: 'adopt', runRef: null, dependsOn: [], after: [] },
    resultKey: `adopt:${full.stages[0]!.resultKey}`,
    input: { kind: 'adopt', model: null } as unknown as PlannedStage['input'],
  };
  const runs = full.stages.filter(({ runRef }) => runRef !== null);
  const waiting = runs.map((stage) => (stage.kind === 'train' ? { ...stage, dependsOn: ['adopt'] } : stage));
  return {
    ...{ ...full, priorId: null, stages: [adopt, ...waiting] },
    waitsFor: [{ jobId: earlier.id, runId: run!.id }],
  };
}

it('starts nothing before the job that it comes after has succeeded, then all that can start', async () => {
  const { database } = scratch;
  const first = await submit();
  const second = await afterJob(first);
  expect(second).toMatchObject({
    status: 'waiting',
    waitsFor: [{ jobId: first.id, runId: null, met: false }],
  });
  await complete(database, first, ALL.slice(0, 3));
  await settle();
  expect(await jobOf(second)).toMatchObject({ status: 'waiting' });
  expect(await statusesOf(database, second)).toMatchObject({ 'embed-0': 'waiting' });
  await complete(database, first, ['evaluate-0']);
  await settle();
  expect(await jobOf(second)).toMatchObject({ status: 'queued', waitsFor: [{ met: true }] });
  expect(await statusesOf(database, second)).toMatchObject({ 'embed-0': 'queued', reduce: 'waiting' });
  await complete(database, second, ALL);
  expect(await jobOf(second)).toMatchObject({ status: 'succeeded' });
  expect(await auditJob(database, second.id)).toEqual([]);
});

it('goes on at once where all of it has succeeded already', async () => {
  const first = await submit();
  await complete(scratch.database, first, ALL);
  const second = await afterJob(first);
  await settle();
  expect(await jobOf(second)).toMatchObject({ status: 'queued' });
});

it('waits for all of several, and goes on once however many release it', async () => {
  const { database } = scratch;
  const [a, b] = [await submit(), await submit()];
  const last = await submit({ waitsFor: [a, b].map(({ id }) => ({ jobId: id, runId: null })) });
  await complete(database, a, ALL);
  await settle();
  expect(await jobOf(last)).toMatchObject({ status: 'waiting' });
  await complete(database, b, ALL);
  await Promise.all([1, 2, 3].map(() => database.dependencies.settle()));
  const events = await database.events.list(last.id, 0, 100);
  const told = events.flatMap((event) => (event.type === 'job' ? [event.status] : []));
  expect(told).toEqual(['queued', 'waiting', 'queued']);
});

it('fails with the job that it comes after, and so does what comes after it; sent again, each waits again', async () => {
  const { database } = scratch;
  const first = await submit({ name: 'teacher' });
  const second = await afterJob(first);
  const third = await afterJob(second);
  await failTraining(first);
  await settle();
  const error = `Job "teacher" (${first.id}), which it comes after, failed. Send this job again when that has succeeded.`;
  expect(await jobOf(second)).toMatchObject({ status: 'failed', error, runs: [{ status: 'failed' }] });
  expect(await statusesOf(database, second)).toMatchObject({
    'embed-0': 'cancelled',
    'train-0': 'cancelled',
  });
  expect(await jobOf(third)).toMatchObject({ status: 'failed', error: expect.stringContaining(second.id) });
  await database.jobs.retry(first.id);
  expect(await database.jobs.retry(second.id)).toMatchObject({ status: 'waiting', error: null });
  await settle();
  expect(await jobOf(second)).toMatchObject({ status: 'waiting' });
  await complete(database, first, ['train-0', 'evaluate-0']);
  await database.jobs.retry(third.id);
  await settle();
  await complete(database, second, ALL);
  await settle();
  await complete(database, third, ALL);
  for (const job of [first, second, third]) {
    expect(await jobOf(job)).toMatchObject({ status: 'succeeded' });
    expect(await auditJob(database, job.id)).toEqual([]);
  }
});

it('fails, targets alone too, where what it waits for was cancelled or is not kept any more', async () => {
  const { database } = scratch;
  const first = await submit();
  const plan = await examplePlan(database, { ...SHORT, runs: 0 });
  const second = await database.jobs.create({ ...plan, waitsFor: [{ jobId: first.id, runId: null }] });
  await database.jobs.cancel(first.id);
  await settle();
  expect(await jobOf(second)).toMatchObject({
    status: 'failed',
    error: expect.stringContaining('was cancelled'),
  });
  expect(
    (await database.garbage.forget({ resultSeconds: 0, jobSeconds: 0, deliverySeconds: 0 })).jobs,
  ).toBeGreaterThan(0);
  const lost = await submit({ waitsFor: [{ jobId: first.id, runId: null }] });
  await settle();
  expect(await jobOf(lost)).toMatchObject({
    status: 'failed',
    error: expect.stringContaining('is not kept any more'),
  });
});

it('keeps a job that ended long ago for those that wait for it', async () => {
  const { database } = scratch;
  const first = await submit();
  const second = await afterJob(first);
  await complete(database, first, ALL);
  await database.jobs.pause(second.id);
  await database.garbage.forget({ resultSeconds: 0, jobSeconds: 0, deliverySeconds: 0 });
  expect(await database.jobs.get(first.id)).not.toBeNull();
});

it('can be paused and resumed while it waits, and learns then what has become of the others', async () => {
  const { database } = scratch;
  const first = await submit();
  const second = await afterJob(first);
  expect(await database.jobs.pause(second.id)).toMatchObject({ status: 'paused' });
  expect(await database.jobs.resume(second.id)).toMatchObject({ status: 'waiting' });
  await database.jobs.pause(second.id);
  await complete(database, first, ALL);
  await settle();
  expect(await jobOf(second)).toMatchObject({ status: 'paused' });
  await database.jobs.resume(second.id);
  await settle();
  expect(await jobOf(second)).toMatchObject({ status: 'queued' });
  await database.jobs.pause(second.id);
  expect(await database.jobs.resume(second.id)).toMatchObject({ status: 'queued' });
  expect(await auditJob(database, second.id)).toEqual([]);
});

it('can be cancelled while it waits, and is not started by what happens later', async () => {
  const { database } = scratch;
  const first = await submit();
  const second = await afterJob(first);
  expect(await database.jobs.cancel(second.id)).toMatchObject({
    status: 'cancelled',
    runs: [{ status: 'cancelled' }],
  });
  await complete(database, first, ALL);
  await settle();
  expect(await jobOf(second)).toMatchObject({ status: 'cancelled' });
  expect(await auditJob(database, second.id)).toEqual([]);
});

it('takes the model of a run as its prior when that run has succeeded, though its job goes on', async () => {
  const { database } = scratch;
  const earlier = await database.jobs.create(await examplePlan(database, { ...SHORT, runs: 2 }));
  const full = await examplePlan(database, SHORT);
  const job = await database.jobs.create(adopting(full, earlier));
  expect(job).toMatchObject({ status: 'waiting', waitsFor: [{ runId: earlier.runs[0]!.id, met: false }] });
  await complete(database, earlier, ['embed-0', 'reduce', 'train-0']);
  await settle();
  expect(await statusesOf(database, job)).toMatchObject({ adopt: 'waiting' });
  await complete(database, earlier, ['evaluate-0']);
  await settle();
  const claim = await claimOf(database, await stageOf(database, job, 'adopt'));
  expect(claim.input).toMatchObject({ kind: 'adopt', model: resultOf('train').model });
  for (const _ of [1, 2])
    await database.stages.succeed(claim, resultOf('adopt'), {
      facts: { plan: { ...full, priorId: 'adopted' } },
    });
  const prior = (await database.priors.find('adopted'))!;
  expect(prior).toMatchObject({ source: { kind: 'model', digest: resultOf('train').model } });
  expect(await jobOf(job)).toMatchObject({ priorId: prior.id });
  expect(await database.artifacts.get(prior.model)).toMatchObject({ mediaType: 'application/onnx' });
  await complete(database, job, ALL);
  expect(await jobOf(job)).toMatchObject({ status: 'succeeded' });
  expect(await auditJob(database, job.id)).toEqual([]);
  // Another job that adopts it has the same prior.
  const again = await examplePlan(database, SHORT);
  const second = await database.jobs.create(adopting(again, earlier));
  await settle();
  const other = await claimOf(database, await stageOf(database, second, 'adopt'));
  expect(other.existing).toBeNull();
  await database.stages.succeed(other, resultOf('adopt'), { facts: { plan: again } });
  expect(await jobOf(second)).toMatchObject({ priorId: prior.id });
});

it('fails where the run whose model it needs fails, while the rest of that job goes on', async () => {
  const { database } = scratch;
  const earlier = await database.jobs.create(await examplePlan(database, { ...SHORT, runs: 2 }));
  const job = await database.jobs.create(adopting(await examplePlan(database, SHORT), earlier));
  await failTraining(earlier);
  await settle();
  expect(await jobOf(earlier)).toMatchObject({ status: 'running' });
  const error = `Run "run-0" (${earlier.runs[0]!.id}) of job ${earlier.id}, whose model is its prior, failed. Send this job again when that has succeeded.`;
  expect(await jobOf(job)).toMatchObject({ status: 'failed', error, runs: [{ status: 'failed' }] });
  expect((await database.runs.get(job.runs[0]!.id))!.error).toBe(error);
});
