/** The whole way: data, prior, a job with an accelerated run and its control, models. On the embedded default. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Run } from '@rela/contracts';
import * as ort from 'onnxruntime-node';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { addRandomPrior, addShapes, shortRun, startService, type TestService } from '../service.js';

let service: TestService;
beforeAll(async () => {
  service = await startService();
  await addShapes(service, 'shapes');
  await addRandomPrior(service, 'random');
});
afterAll(() => service?.close());

/** 256 images make two steps an epoch: a probe needs many of them, and larger ones, to have learned anything. */
const evaluation = { probe: { epochs: 100, learningRate: 0.01 } };

const job = () => ({
  name: 'acceleration',
  dataset: 'shapes',
  prior: 'random',
  runs: [
    shortRun('accelerated', {
      rela: { switch: { kind: 'static', lambda: 0.5 } },
      dataRatio: 0.5,
      evaluation,
    }),
    shortRun('control', { evaluation }),
  ],
});

async function runsOf(jobId: string): Promise<Record<string, Run>> {
  const { runs } = await service.client.jobs.get(jobId);
  const all = await Promise.all(runs.map(({ id }) => service.client.runs.get(id)));
  return Object.fromEntries(all.map((run) => [run.name, run]));
}

it('a job gives both runs a model, an accuracy, a cost and the step of the switch', async () => {
  const { client } = service;
  const created = await client.jobs.create(job());
  const ended = await client.jobs.wait(created.id);
  expect(ended.error).toBeNull();
  expect(ended.status).toBe('succeeded');
  const { accelerated, control } = await runsOf(created.id);
  // 256 images in batches of 32: 8 steps an epoch, 4 at half the data.
  // The transport head has a product of its own; what both have is computed alike.
  expect(accelerated!.result!.kernels).toMatchObject(control!.result!.kernels);
  expect(control!.result).toMatchObject({ steps: 16, switchStep: null, priorSeconds: 0, engine: 'compiled' });
  expect(accelerated!.result).toMatchObject({ steps: 8, switchStep: 5 });
  expect(accelerated!.result!.priorSeconds).toBeGreaterThan(0);
  for (const run of [accelerated!, control!]) {
    const { accuracy, knn, trainSeconds, flops, model } = run.result!;
    // Four classes of shapes, which even features of little training tell apart.
    expect(accuracy).toBeGreaterThan(0.7);
    expect(knn).toBeGreaterThan(0.6);
    expect(trainSeconds).toBeGreaterThan(0);
    expect(flops).toBeGreaterThan(0);
    expect(model).toMatch(/^sha256:/);
  }
});

it('every step has a metric, and the loss of the ReLA phase is named as such', async () => {
  const { accelerated } = await runsOf(
    (await service.client.jobs.list()).items.find((one) => one.name === 'acceleration')!.id,
  );
  const metrics = await service.client.runs.metrics(accelerated!.id);
  expect(metrics.items.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  expect(metrics.items.map(({ phase }) => phase)).toEqual([
    ...Array(4).fill('rela'),
    ...Array(4).fill('method'),
  ]);
  expect(metrics.items.every(({ loss }) => Number.isFinite(loss))).toBe(true);
});

it('the model of a run is ONNX that takes any batch, and its features are finite', async () => {
  const { client, folder } = service;
  const { accelerated } = await runsOf(
    (await client.jobs.list()).items.find((one) => one.name === 'acceleration')!.id,
  );
  const path = join(folder, 'model.onnx');
  await client.models.download(accelerated!.result!.model!, path);
  const session = await ort.InferenceSession.create(await readFile(path));
  for (const count of [1, 3]) {
    const images = new ort.Tensor('float32', new Float32Array(count * 256).fill(0.3), [count, 1, 16, 16]);
    const { features } = await session.run({ images });
    expect(features!.dims).toEqual([count, 128]);
    expect(Array.from(features!.data as Float32Array).every(Number.isFinite)).toBe(true);
  }
});

it('the same job again computes nothing and gives the same figures', async () => {
  const { client } = service;
  const first = (await client.jobs.list()).items.find((one) => one.name === 'acceleration')!;
  const again = await client.jobs.wait((await client.jobs.create(job())).id);
  expect(again.status).toBe('succeeded');
  expect(again.stages.every((stage) => stage.reused === stage.total)).toBe(true);
  const [before, after] = [await runsOf(first.id), await runsOf(again.id)];
  expect(after.control!.reused).toBe(true);
  expect(after.control!.result).toEqual(before.control!.result);
  expect(after.accelerated!.result).toEqual(before.accelerated!.result);
});

it('a model that was trained here becomes the prior of the next job', async () => {
  const { client } = service;
  const supervised = await client.jobs.wait(
    (
      await client.jobs.create({
        dataset: 'shapes',
        runs: [shortRun('labels', { method: { name: 'supervised' } })],
      })
    ).id,
  );
  const run = await client.runs.get(supervised.runs[0]!.id);
  const prior = await client.priors.create({
    name: 'trained',
    source: { kind: 'model', digest: run.result!.model! },
  });
  expect(prior).toMatchObject({
    width: 128,
    batch: null,
    preprocessing: { height: 16, channels: 1, layout: 'nchw' },
  });
  const next = await client.jobs.wait(
    (
      await client.jobs.create({
        dataset: 'shapes',
        prior: 'trained',
        runs: [shortRun('next', { rela: {}, epochs: 1 })],
      })
    ).id,
  );
  expect(next.status).toBe('succeeded');
  const { result } = await client.runs.get(next.runs[0]!.id);
  // The adaptive rule is made for long runs: on a short one it does not fire.
  expect(result!.switchStep).toBeNull();
});

it('the same seed gives the same model, computed anew', async () => {
  const { client } = service;
  const again = await client.jobs.wait((await client.jobs.create({ ...job(), reuse: false })).id);
  const first = (await client.jobs.list()).items.filter((one) => one.name === 'acceleration').at(-1)!;
  const [before, after] = [await runsOf(first.id), await runsOf(again.id)];
  expect(after.control!.reused).toBe(false);
  expect(after.control!.result!.model).toBe(before.control!.result!.model);
  expect(after.accelerated!.result!.model).toBe(before.accelerated!.result!.model);
});
