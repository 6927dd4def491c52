/** Judging trained backbones: other data sets, few labels, features out. One service, one training. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Run } from '@rela/contracts';
import { type JobInput, RelaApiError } from '@rela/sdk';
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { rela } from '../rela.js';
import {
  addRandomPrior,
  addShapes,
  type RunInput,
  shortRun,
  startService,
  type TestService,
} from '../service.js';
import { writeShapes } from '../shapes.js';
import { findNumpy, runPython } from '../torch/torch.js';

const python = await findNumpy();
const SCRIPT = fileURLToPath(new URL('features.py', import.meta.url));

let service: TestService;
beforeAll(async () => {
  service = await startService();
  await addShapes(service, 'shapes');
  await addShapes(service, 'others', 128);
  await addRandomPrior(service, 'random');
});
afterAll(() => service?.close());

const EVALUATION = {
  probe: { epochs: 100, learningRate: 0.01 },
  transfer: ['others'],
  finetune: { shares: [0.1, 1], epochs: 8, batchSize: 32 },
  features: 'npy' as const,
};

const job = (evaluation: NonNullable<RunInput['evaluation']>): JobInput => ({
  dataset: 'shapes',
  prior: 'random',
  runs: [
    shortRun('accelerated', { rela: {}, dataRatio: 0.5, evaluation }),
    shortRun('control', { evaluation }),
  ],
});

async function runsOf(wanted: JobInput): Promise<{ runs: Run[]; reused: Record<string, number> }> {
  const { client } = service;
  const ended = await client.jobs.wait((await client.jobs.create(wanted)).id);
  expect(ended.error).toBeNull();
  expect(ended.status).toBe('succeeded');
  const runs = await Promise.all(ended.runs.map(({ id }) => client.runs.get(id)));
  const reused: Record<string, number> = {};
  for (const stage of ended.stages) reused[stage.kind] = (reused[stage.kind] ?? 0) + stage.reused;
  return { runs, reused };
}

let judged: Run[];

it('a run and its control are judged on another data set and by fine-tuning with each share of the labels', async () => {
  judged = (await runsOf(job(EVALUATION))).runs;
  for (const { result } of judged) {
    const [few, all] = result!.finetune!;
    // ⌊0.1 · 256 / 4⌋ = 6 of each class, in batches of 24: a step an epoch.
    expect(few).toMatchObject({ share: 0.1, images: 24, epochs: 8, batchSize: 24, steps: 8 });
    expect(all).toMatchObject({ share: 1, images: 256, epochs: 8, batchSize: 32, steps: 64 });
    for (const tuned of [few!, all!]) {
      expect(tuned.flops).toBeGreaterThan(0);
      expect(tuned.seconds).toBeGreaterThan(0);
    }
    // Four classes of shapes: a network that learns from all labels tells them apart.
    expect(all!.accuracy).toBeGreaterThan(0.8);
    const [transfer] = result!.transfer!;
    expect(transfer).toMatchObject({ dataset: 'others' });
    expect(transfer!.accuracy).toBeGreaterThan(0.5);
    expect(transfer!.knn).toBeGreaterThan(0.5);
  }
});

it('what is asked for later is computed alone, and the training is taken as it is', async () => {
  const { runs, reused } = await runsOf(job({ ...EVALUATION, transfer: ['others', 'shapes'] }));
  // Of four evaluations a run the three that were there, and the training.
  expect(reused).toMatchObject({ train: 2, evaluate: 8 });
  const [, again] = runs[1]!.result!.transfer!;
  const { accuracy, accuracyStd, knn } = runs[1]!.result!;
  // The data set of the run itself gives what its own evaluation gave.
  expect(again).toMatchObject({ dataset: 'shapes', accuracy, accuracyStd, knn });
});

it.skipIf(!python)(
  `features come as npy files that NumPy reads, and kNN on them is that of the run${python ? '' : ' (no Python with NumPy here)'}`,
  async () => {
    const run = judged[1]!;
    const folder = join(service.folder, 'features');
    const home = service.service.home;
    const got = await rela('--home', home, 'runs', 'features', run.id, '-o', folder);
    expect(got.code, got.stderr).toBe(0);
    const model = join(service.folder, 'model.onnx');
    await service.client.models.download(run.result!.model!, model);
    await runPython(python!, SCRIPT, [folder]);
    const seen = JSON.parse(await readFile(join(folder, 'seen.json'), 'utf8'));
    expect(seen).toEqual({
      train: { features: [256, 128], labels: [256], dtypes: ['float32', 'int32'], classes: [0, 1, 2, 3] },
      test: { features: [128, 128], labels: [128], dtypes: ['float32', 'int32'], classes: [0, 1, 2, 3] },
      knn: expect.any(Number),
    });
    expect(seen.knn).toBeCloseTo(run.result!.knn!, 9);
    const shown = await rela('--home', home, 'runs', 'show', run.id);
    expect(shown.stdout).toMatch(/fine-tuned with 10 % of the labels \(24 images\) +0\.\d+/);
    expect(shown.stdout).toMatch(/linear probe on others +0\.\d+ +0\.\d+/);
  },
);

it('the same features come as a Parquet file a split, float for float', async () => {
  const { runs, reused } = await runsOf(job({ ...EVALUATION, features: 'parquet' }));
  expect(reused.train).toBe(2);
  const folder = join(service.folder, 'parquet');
  const home = service.service.home;
  const got = await rela('--home', home, 'runs', 'features', runs[1]!.id, '-o', folder);
  expect(got.code, got.stderr).toBe(0);
  expect((await readdir(folder)).sort()).toEqual(['test.parquet', 'train.parquet']);
  for (const kept of judged[1]!.result!.features!) {
    if (kept.format === 'parquet') throw new Error('The first job asked for npy.');
    const file = await asyncBufferFromFile(join(folder, `${kept.split}.parquet`));
    const rows = await parquetReadObjects({ file });
    expect(rows).toHaveLength(kept.rows);
    const ends = async (digest: string, bytes: number) =>
      Buffer.from(await service.client.artifacts.read(digest)).subarray(-bytes);
    const floats = Float32Array.from(rows.flatMap(({ feature }) => feature as number[]));
    expect(Buffer.from(floats.buffer).equals(await ends(kept.features, 4 * kept.rows * kept.width))).toBe(
      true,
    );
    const labels = Int32Array.from(rows, ({ label }) => label as number);
    expect(Buffer.from(labels.buffer).equals(await ends(kept.labels, 4 * kept.rows))).toBe(true);
  }
  const { features } = runs[1]!.result!.features![0]!;
  const response = await fetch(`${service.url}/v1/artifacts/${features}`, { method: 'HEAD' });
  expect(response.headers.get('content-disposition')).toMatch(/\.parquet"$/);
});

it('refuses a data set that is not there, or has no labels, before anything is trained', async () => {
  const { client, folder } = service;
  const fieldsOf = async (evaluation: Parameters<typeof job>[0]) => {
    const error = await client.jobs.create(job(evaluation)).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(RelaApiError);
    const { code, errors } = (error as RelaApiError).problem;
    return { code, fields: errors?.map(({ field }) => field) };
  };
  expect(await fieldsOf({ transfer: ['shapes', 'othrs'] })).toEqual({
    code: 'not-found',
    fields: ['runs[0].evaluation.transfer[1]'],
  });
  const { images } = await writeShapes(join(folder, 'bare'), { count: 64 });
  const source = { kind: 'idx' as const, train: { images }, test: { images } };
  const { id } = await client.datasets.create({ name: 'bare', source });
  await client.datasets.waitUntilReady(id);
  expect((await fieldsOf({ transfer: ['bare'] })).fields).toEqual([
    'runs[0].evaluation.transfer[0]',
    'runs[1].evaluation.transfer[0]',
  ]);
  expect((await fieldsOf({ finetune: { shares: [0.01] } })).fields?.[0]).toBe(
    'runs[0].evaluation.finetune.shares[0]',
  );
});

it('a fine-tuning under way is cancelled with its job', async () => {
  const { client } = service;
  const { id } = await client.jobs.create(job({ ...EVALUATION, finetune: { shares: [1], epochs: 1000 } }));
  for (;;) {
    const { stages } = await client.jobs.get(id);
    if (stages.some(({ kind, progress }) => kind === 'evaluate' && progress?.unit === 'steps')) break;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  await client.jobs.cancel(id);
  expect((await client.jobs.wait(id)).status).toBe('cancelled');
});
