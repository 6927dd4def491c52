import type { RunMetric, StageInputOf } from '@rela/contracts';
import { expect, it } from 'vitest';
import { claimOf, complete, digestOf, examplePlan, resultOf, stageOf } from '../testing/examples.js';
import { useScratch } from '../testing/scratch.js';

const scratch = useScratch();

async function training() {
  const { database } = scratch;
  const job = await database.jobs.create(await examplePlan(database, { shards: 1 }));
  await complete(database, job, ['embed-0', 'reduce']);
  const claim = await claimOf(database, await stageOf(database, job, 'train-0'));
  return { database, job, claim, runId: claim.runId ?? '' };
}

function metric(step: number, loss: number): RunMetric {
  return { step, epoch: 0, phase: 'rela', loss, rho: 0.1 + 0.2, classifierAccuracy: null, seconds: step / 3 };
}

it('keeps metrics exactly, a step once, and pages through them', async () => {
  const { database, claim, runId } = await training();
  const first = [1, 2, 3, 4].map((step) => metric(step, 1 / step));
  expect(await database.runs.appendMetrics(claim, first)).toBe(true);
  const again = [metric(4, 9), metric(5, 0.5), metric(5, 0.25)];
  expect(await database.runs.appendMetrics(claim, again)).toBe(true);
  expect(await database.runs.appendMetrics(claim, [])).toBe(true);
  const all = await database.runs.metrics(runId, { afterStep: 0, limit: 100 });
  expect(all).toEqual([...first.slice(0, 3), metric(4, 9), metric(5, 0.25)]);
  expect(await database.runs.metrics(runId, { afterStep: 2, limit: 2 })).toEqual(all.slice(2, 4));
});

it('keeps the last two checkpoints and names the artifacts that are free', async () => {
  const { database, job, claim, runId } = await training();
  const save = (step: number, text = String(step)) =>
    database.runs.saveCheckpoint(claim, { step, digest: digestOf(text), bytes: step });
  expect(await save(10)).toEqual([]);
  expect(await save(20)).toEqual([]);
  expect(await save(30)).toEqual([digestOf('10')]);
  // The same step again, as after a lost answer: nothing is thrown away.
  expect(await save(30)).toEqual([]);
  expect(await save(30, 'other bytes')).toEqual([digestOf('30')]);
  expect(await database.runs.checkpoint(runId)).toMatchObject({ step: 30, bytes: 30 });
  expect((await database.runs.get(runId))?.checkpoint?.step).toBe(30);
  await database.stages.release(claim);
  const next = await claimOf(database, await stageOf(database, job, 'train-0'));
  expect(next.checkpoints).toEqual([
    { step: 30, digest: digestOf('other bytes') },
    { step: 20, digest: digestOf('20') },
  ]);
  expect(await database.runs.dropCheckpoints(next.stageId)).toEqual([]);
  await database.stages.succeed(next, resultOf('train'));
  expect((await database.runs.dropCheckpoints(next.stageId)).sort()).toEqual(
    [digestOf('20'), digestOf('other bytes')].sort(),
  );
  expect(await database.runs.checkpoint(runId)).toBeNull();
});

it('keeps the last good checkpoint of a run that fails', async () => {
  const { database, claim, runId } = await training();
  await database.runs.saveCheckpoint(claim, { step: 10, digest: digestOf('good'), bytes: 1 });
  await database.stages.fail(claim, { error: 'NaN at step 12', retryable: false, maxAttempts: 5 });
  expect(await database.runs.get(runId)).toMatchObject({
    ...{ status: 'failed', error: 'NaN at step 12', checkpoint: { step: 10 } },
  });
});

it('marks a run whose training was taken from an earlier one', async () => {
  const { database, job, claim, runId } = await training();
  await database.stages.succeed(claim, resultOf('train'), { reused: true });
  await complete(database, job, ['evaluate-0']);
  expect(await database.runs.get(runId)).toMatchObject({ reused: true, status: 'succeeded' });
  const train = (await database.jobs.get(job.id))?.stages.find((stage) => stage.kind === 'train');
  expect(train).toMatchObject({ reused: 1, succeeded: 1 });
});

it('keeps the final checkpoint of a run alone, and tells those who go on from it what was trained', async () => {
  const { database, claim, runId } = await training();
  const save = (step: number, final = false) =>
    database.runs.saveCheckpoint(claim, { step, digest: digestOf(String(step)), bytes: step, final });
  await save(10);
  await save(20);
  expect((await save(30, true)).sort()).toEqual([digestOf('10'), digestOf('20')].sort());
  expect((await database.runs.training(runId))?.result).toBeNull();
  const result = {
    ...resultOf('train'),
    checkpoint: { step: 30, digest: digestOf('30'), bytes: 30 },
    best: {
      ...{ model: digestOf('best'), modelBytes: 7, weights: digestOf('best weights'), weightsBytes: 6 },
      ...{ step: 20, epoch: 2, accuracy: 0.5 },
    },
  };
  await database.stages.succeed(claim, result);
  expect(await database.runs.training(runId)).toMatchObject({
    run: { id: runId, status: 'running' },
    input: { kind: 'train' },
    resultKey: claim.resultKey,
    result: { checkpoint: { step: 30 } },
  });
  expect((await database.runs.get(runId))?.result?.best).toEqual({
    ...{ step: 20, epoch: 2, accuracy: 0.5, model: digestOf('best'), weights: digestOf('best weights') },
  });
  expect((await database.runs.get(runId))?.result?.weights).toBe(digestOf('weights'));
  expect(await database.artifacts.get(digestOf('best weights'))).toMatchObject({
    ...{ bytes: 6, mediaType: 'application/x-safetensors' },
  });
  expect(await database.models.get(digestOf('best'))).toMatchObject({ runId, bytes: 7 });
  expect(await database.runs.training('run_nobody')).toBeNull();
});

it('puts the evaluations of a run together in the order of the plan, and knows the features that it keeps', async () => {
  const { database } = scratch;
  const plan = await examplePlan(database, { shards: 1 });
  const first = plan.stages.find(({ ref }) => ref === 'evaluate-0')!;
  const tasks = [
    { kind: 'transfer' as const, name: 'other', dataset: digestOf('other') },
    { kind: 'finetune' as const, share: 0.1 },
  ];
  for (const [index, task] of tasks.entries())
    plan.stages.push({
      ...{ ...first, ref: `evaluate-0-${index}`, resultKey: `evaluate-0-${index}:${first.resultKey}` },
      input: { ...(first.input as StageInputOf<'evaluate'>), task },
    });
  const job = await database.jobs.create(plan);
  await complete(database, job, ['embed-0', 'reduce', 'train-0']);
  const succeed = async (ref: string, more: object) =>
    database.stages.succeed(await claimOf(database, await stageOf(database, job, ref)), {
      ...resultOf('evaluate'),
      ...more,
    });
  const took = { images: 60, epochs: 30, batchSize: 60, steps: 30, flops: 9 };
  await succeed('evaluate-0-1', { accuracy: 0.4, task: tasks[1], finetune: took });
  await succeed('evaluate-0-0', { accuracy: 0.5, task: tasks[0] });
  const files = {
    ...{ format: 'npy', split: 'test', rows: 3, width: 2 },
    ...{ features: digestOf('features'), featuresBytes: 152 },
    ...{ labels: digestOf('labels'), labelsBytes: 140 },
  };
  await succeed('evaluate-0', { features: [files] });
  const [run] = (await database.jobs.get(job.id))!.runs;
  expect((await database.runs.get(run!.id))?.result).toMatchObject({
    accuracy: 0.9,
    transfer: [{ dataset: 'other', digest: digestOf('other'), accuracy: 0.5 }],
    finetune: [{ share: 0.1, accuracy: 0.4, ...took }],
    features: [files],
  });
  expect(await database.artifacts.get(digestOf('labels'))).toMatchObject({
    ...{ bytes: 140, mediaType: 'application/x-npy' },
  });
});

it('keeps the metrics of long runs in order over the blocks they lie in, whatever batches they came in', async () => {
  const { database, claim, runId } = await training();
  const steps = Array.from({ length: 200 }, (_, index) => index + 1);
  for (const batch of [steps.slice(0, 60), steps.slice(60, 70), steps.slice(70), steps.slice(120, 140)])
    expect(
      await database.runs.appendMetrics(
        claim,
        batch.map((step) => metric(step, step)),
      ),
    ).toBe(true);
  // An attempt that goes on from step 64 makes the steps behind it again, in the middle of what is there.
  const again = [190, 64, 65, 66, 128, 129].map((step) => metric(step, -step));
  expect(await database.runs.appendMetrics(claim, again)).toBe(true);
  const made = new Set(again.map(({ step }) => step));
  const all = await database.runs.metrics(runId, { afterStep: 0, limit: 1000 });
  expect(all).toEqual(steps.map((step) => metric(step, made.has(step) ? -step : step)));
  for (const [afterStep, limit] of [
    [0, 64],
    [63, 3],
    [64, 64],
    [127, 50],
    [150, 1000],
    [200, 10],
  ] as const)
    expect(await database.runs.metrics(runId, { afterStep, limit })).toEqual(
      all.slice(afterStep, afterStep + limit),
    );
  const other = { ...metric(7, 1), phase: 'method' as const, rho: null, classifierAccuracy: 0.5 };
  await database.runs.appendMetrics(claim, [other, metric(1000, 3)]);
  expect(await database.runs.metrics(runId, { afterStep: 6, limit: 1 })).toEqual([other]);
  expect(await database.runs.metrics(runId, { afterStep: 200, limit: 5 })).toEqual([metric(1000, 3)]);
});
