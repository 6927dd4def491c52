/** The module that docs/training-elsewhere.md gives away, held to this service; and the exports that it reads, to what was stored. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Job, Targets, TargetsManifest } from '@rela/contracts';
import { openShard } from '@rela/datasets';
import { createEngine, tf } from '@rela/engine';
import { adaptiveSwitch, initialSwitch, relaLoss } from '@rela/learning';
import { createRandom, subsetSize } from '@rela/random';
import type { Tensor2D } from '@tensorflow/tfjs-core';
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { rela } from '../rela.js';
import { addRandomPrior, addShapes, startService, type TestService } from '../service.js';
import { findTorch, runPython } from '../torch/torch.js';

const PAGE = fileURLToPath(new URL('../../docs/training-elsewhere.md', import.meta.url));
const SCRIPT = fileURLToPath(new URL('training_elsewhere.py', import.meta.url));
/** Images: two shards of 64 and one of 22, which 100 rows a shard of the export cut anew. */
const COUNT = 150;
const SIZE = 16;
const K = 128;
const THRESHOLD = 0.995;
const STEPS = 2000;
const WORK = { batch: 16, d: 24, k: 10 };
const BATCHES = 4;
const SUBSETS: [number, number][] = [
  [100, 0.29],
  [1000, 0.5],
  [10, 1],
  [7, 0.1],
];

const python = await findTorch();
const name = python ? '' : ' (no Python with PyTorch here)';

let service: TestService;
let folder: string;
let job: Job;
let targets: Targets;
/** [COUNT, K] */
let stored: Float32Array;
/** [COUNT, SIZE, SIZE] */
let pixels: Uint8Array;
let labels: number[];

const here = (...args: string[]) => rela('--home', service.service.home, '--json', ...args);
const floatsOf = (bytes: Uint8Array) => new Float32Array(new Uint8Array(bytes).buffer);

async function succeed(...args: string[]): Promise<unknown> {
  const { code, stdout, stderr } = await here(...args);
  expect({ code, stderr }, args.join(' ')).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout);
}

async function readStored(): Promise<void> {
  const { artifacts, datasets } = service.client;
  const manifest = TargetsManifest.parse(
    JSON.parse(Buffer.from(await artifacts.read(targets.digest ?? '')).toString()),
  );
  const parts = await Promise.all(manifest.shards.map(({ digest }) => artifacts.read(digest)));
  stored = floatsOf(Buffer.concat(parts));
  const dataset = await datasets.get(targets.datasetId);
  const { splits } = JSON.parse(Buffer.from(await artifacts.read(dataset.digest ?? '')).toString());
  const images: Uint8Array[] = [];
  labels = [];
  for (const { digest } of splits.train.shards) {
    const path = join(folder, 'shard');
    await artifacts.download(digest, path);
    const shard = await openShard(path);
    for (let index = 0; index < shard.count; index++) {
      const { data, label } = await shard.decode(index);
      images.push(data);
      labels.push(label ?? -1);
    }
    await shard.close();
  }
  pixels = Buffer.concat(images);
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rela-elsewhere-'));
  service = await startService();
  await addShapes(service, 'shapes', COUNT);
  await addRandomPrior(service, 'untrained');
  const made = await succeed('targets', 'make', 'shapes', '--prior', 'untrained', '--follow');
  const outcome = z.object({ job: Job, targets: z.array(Targets).length(1) }).parse(made);
  job = outcome.job;
  targets = outcome.targets[0]!;
  await readStored();
  for (const format of ['npy', 'parquet', 'webdataset'])
    await succeed(
      ...['targets', 'export', job.id, '--format', format, '-o', join(folder, format), '--images'],
      ...['--shard-size', '100'],
    );
});
afterAll(async () => {
  await service?.close();
  await rm(folder, { recursive: true, force: true });
});

describe('rela targets', () => {
  it('makes them without a run, as wide as the prior, and the first columns are those of narrower ones', async () => {
    expect(job).toMatchObject({ status: 'succeeded', runs: [] });
    expect(job.stages.map(({ kind, total }) => [kind, total])).toEqual([
      ['appraise', 1],
      ['embed', 3],
      ['reduce', 1],
    ]);
    expect(targets).toMatchObject({ k: K, count: COUNT, runIds: [], status: 'succeeded' });
    expect(stored).toHaveLength(COUNT * K);

    const narrow = await succeed('targets', 'make', 'shapes', '--prior', 'untrained', '--k', '8', '--follow');
    const { digest } = z.object({ targets: z.array(Targets) }).parse(narrow).targets[0]!;
    const output = join(folder, 'narrow');
    await succeed('targets', 'export', digest ?? '', '--format', 'npy', '--no-labels', '-o', output);
    expect((await readdir(output)).sort()).toEqual(['index-00000.npy', 'targets-00000.npy', 'targets.json']);
    const file = await readFile(join(output, 'targets-00000.npy'));
    const values = floatsOf(file.subarray(file.length - COUNT * 8 * 4));
    for (let row = 0; row < COUNT; row++)
      for (let column = 0; column < 8; column++)
        expect(values[row * 8 + column]!).toBeCloseTo(stored[row * K + column]!, 4);
  });

  it('writes Parquet that holds the stored targets bit for bit, the labels, and the images', async () => {
    const files = (await readdir(join(folder, 'parquet'))).filter((file) => file.endsWith('.parquet')).sort();
    expect(files).toEqual(['train-00000-of-00002.parquet', 'train-00001-of-00002.parquet']);
    const rows = [];
    for (const file of files) {
      const source = await asyncBufferFromFile(join(folder, 'parquet', file));
      rows.push(...(await parquetReadObjects({ file: source, utf8: false })));
    }
    expect(rows.map(({ index }) => Number(index))).toEqual(Array.from({ length: COUNT }, (_, at) => at));
    expect(rows.map(({ label }) => label)).toEqual(labels);
    expect(Float32Array.from(rows.flatMap(({ target }) => target))).toEqual(stored);
    for (const [at, { image }] of rows.entries()) {
      expect(await greyPixels(image.bytes)).toEqual(imageAt(at));
      expect(image.path).toBe(`${at}.png`);
    }
  });

  it('says what is wrong with what is asked for', async () => {
    const output = join(folder, 'none');
    const refused = async (...args: string[]) => {
      const { code, stderr } = await here('targets', ...args);
      return [code, JSON.parse(stderr).code, JSON.parse(stderr).detail];
    };
    const npy = ['--format', 'npy', '-o', output];
    expect(await refused('export', 'job_none', ...npy)).toMatchObject([
      1,
      'not-found',
      expect.stringMatching(/no job "job_none"/),
    ]);
    expect(await refused('export', 'run_none', ...npy)).toMatchObject([
      1,
      'not-found',
      expect.stringMatching(/no run "run_none"/),
    ]);
    expect(await refused('export', 'shapes', ...npy)).toMatchObject([
      1,
      'not-found',
      expect.stringMatching(/Name a job/),
    ]);
    expect(await refused('export', `sha256:${'0'.repeat(64)}`, ...npy)).toMatchObject([
      1,
      'not-found',
      expect.stringMatching(/./),
    ]);
    expect(await refused('export', job.id, '--k', '7', ...npy)).toMatchObject([
      1,
      'not-found',
      expect.stringMatching(/with 128/),
    ]);
    expect(await refused('export', job.id, '--format', 'csv', '-o', output)).toMatchObject([
      2,
      'invalid-request',
      expect.stringMatching(/Allowed choices are npy, parquet, webdataset/),
    ]);
    const again = await refused('export', job.id, '--format', 'npy', '-o', join(folder, 'npy'));
    expect(again).toMatchObject([1, 'conflict', expect.stringMatching(/holds an export already.*--force/)]);
    const wide = await refused('make', 'shapes', '--prior', 'untrained', '--k', '129');
    expect(wide).toMatchObject([
      1,
      'invalid-request',
      expect.stringMatching(/targets\.k: is 129.*take 128 or fewer/),
    ]);
    expect(await readdir(folder)).not.toContain('none');
  });

  it('says that images are gone, and still gives the targets alone', async () => {
    const dataset = await service.client.datasets.get('shapes');
    const { splits } = JSON.parse(
      Buffer.from(await service.client.artifacts.read(dataset.digest ?? '')).toString(),
    );
    const hex: string = splits.train.shards[1].digest.slice('sha256:'.length);
    const storage = join(service.service.home, 'artifacts');
    await rm(join(storage, 'sha256', hex.slice(0, 2), hex.slice(2)));
    const output = join(folder, 'alone');
    const npy = ['targets', 'export', job.id, '--format', 'npy', '-o', output];
    for (const more of [['--images'], []]) {
      const { code, stderr } = await here(...npy, ...more, '--force');
      expect([code, JSON.parse(stderr).detail]).toEqual([
        1,
        expect.stringMatching(/^Images of the data set .* are gone/),
      ]);
    }
    await succeed(...npy, '--no-labels', '--force');
    const file = await readFile(join(output, 'targets-00000.npy'));
    expect(floatsOf(file.subarray(file.length - COUNT * K * 4))).toEqual(stored);
  });
});

async function greyPixels(file: Uint8Array): Promise<Uint8Array> {
  const image = sharp(file);
  expect(await image.metadata()).toMatchObject({ format: 'png', channels: 1, depth: 'uchar' });
  return new Uint8Array(await image.toColourspace('b-w').raw().toBuffer());
}

const imageAt = (at: number) => new Uint8Array(pixels.subarray(at * SIZE ** 2, (at + 1) * SIZE ** 2));

/** From 1 down to 0.8, unevenly: the rule fires on the way. */
const curve = (() => {
  const random = createRandom(8);
  return Array.from(
    { length: STEPS },
    (_, step) => 0.8 + 0.2 * Math.exp(-step / 150) + 0.02 * random.normal(),
  );
})();

function ourRule(): { rho: number[]; switched: number | null } {
  let state = initialSwitch();
  let switched: number | null = null;
  const rho = curve.map((loss, at) => {
    state = adaptiveSwitch(state, loss, THRESHOLD);
    if (state.switched) switched ??= at + 1;
    return state.rho;
  });
  return { rho, switched };
}

/** Of every batch, by the compiled engine; the numbers are those of numbers.bin. */
async function ourLosses(numbers: Float32Array): Promise<number[]> {
  const { batch: b, d, k } = WORK;
  let at = 0;
  const take = (...shape: number[]) => {
    const size = shape.reduce((product, side) => product * side, 1);
    at += size;
    return { dtype: 'float32' as const, shape, data: numbers.slice(at - size, at) };
  };
  const state = { weight: take(d, k), bias: take(k) };
  const batches = Array.from({ length: BATCHES }, () => ({
    first: take(b, d),
    second: take(b, d),
    target: take(b, k),
  }));
  expect(at).toBe(numbers.length);
  const engine = await createEngine({ engine: 'compiled' });
  const step = await engine.compile(
    ({ weight, bias }, { first, second, target }) => {
      const project = (features: unknown) =>
        tf.add(tf.matMul(features as Tensor2D, weight as Tensor2D), bias!) as Tensor2D;
      return {
        state: {},
        metrics: { loss: relaLoss([project(first), project(second)], target as Tensor2D) },
      };
    },
    state,
    batches[0]!,
  );
  const losses: number[] = [];
  for (const batch of batches) losses.push((await step.run(batch)).loss!.data[0]!);
  await step.dispose();
  return losses;
}

const Rows = z.array(z.number());
const Answers = z.object({
  losses: Rows,
  rule: z.object({ rho: Rows, switched: z.number().nullable() }),
  samples: z.record(z.string(), z.unknown()),
  replicas: Rows,
  npy: z.object({
    arrays: z.record(z.string(), z.unknown()),
    index: Rows,
    labels: Rows,
    keys: z.array(z.string()),
  }),
  webdataset: z.object({ labels: Rows, names: z.array(z.tuple([z.string(), z.string()])) }),
});

describe.skipIf(!python)(`the module of docs/training-elsewhere.md${name}`, () => {
  let answers: z.infer<typeof Answers>;
  let numbers: Float32Array;
  let module: string;
  beforeAll(async () => {
    const blocks = [...(await readFile(PAGE, 'utf8')).matchAll(/```python\n([\s\S]*?)```/g)];
    module = blocks.map(([, code]) => code ?? '').find((code) => code.includes('class ReLALoss')) ?? '';
    const random = createRandom(7);
    const { batch, d, k } = WORK;
    const size = d * k + k + BATCHES * batch * (2 * d + k);
    numbers = Float32Array.from({ length: size }, () => random.normal());
    await writeFile(join(folder, 'rela_targets.py'), module);
    await writeFile(join(folder, 'numbers.bin'), numbers);
    await writeFile(join(folder, 'work.json'), JSON.stringify({ ...WORK, curve, subsets: SUBSETS }));
    await runPython(python!, SCRIPT, [folder]);
    answers = Answers.parse(JSON.parse(await readFile(join(folder, 'answers.json'), 'utf8')));
  });

  it('is thirty lines', () => {
    expect(module.split('\n').filter((line) => line.trim() !== '').length).toBeLessThanOrEqual(30);
  });

  it('gives the loss of this service', async () => {
    const ours = await ourLosses(numbers);
    expect(answers.losses).toHaveLength(BATCHES);
    for (const [at, loss] of ours.entries()) expect(Math.abs(loss - answers.losses[at]!)).toBeLessThan(1e-5);
  });

  it('leaves the targets at the same step, with the same ρ on the way', () => {
    const ours = ourRule();
    expect(ours.switched).toBeGreaterThan(10);
    expect(answers.rule.switched).toBe(ours.switched);
    expect(answers.rule.rho).toHaveLength(STEPS);
    for (const [at, rho] of ours.rho.entries())
      expect(Math.abs(rho - answers.rule.rho[at]!)).toBeLessThan(1e-12);
  });

  it('decides by the mean of the replicas', () => {
    let state = initialSwitch();
    for (const loss of curve.slice(0, 50)) state = adaptiveSwitch(state, loss, THRESHOLD);
    for (const fast of answers.replicas) expect(fast).toBeCloseTo(state.fast, 12);
  });

  it('draws a fresh subset of the right size an epoch, and shares it out among replicas', () => {
    expect(answers.samples).toEqual({
      sizes: SUBSETS.map(([count, ratio]) => subsetSize({ count, ratio })),
      ...{ distinct: true, fresh: true, same: true, disjoint: true },
      shares: [12, 12, 12, 12],
    });
  });

  it('has NumPy read the stored targets bit for bit, with labels, keys and images', async () => {
    expect(answers.npy.arrays).toEqual({
      targets: ['float32', COUNT, K],
      index: ['int64', COUNT],
      labels: ['int64', COUNT],
      images: ['uint8', COUNT, SIZE, SIZE, 1],
    });
    expect(floatsOf(await readFile(join(folder, 'npy.bin')))).toEqual(stored);
    expect(new Uint8Array(await readFile(join(folder, 'npy-images.bin')))).toEqual(new Uint8Array(pixels));
    expect(answers.npy.labels).toEqual(labels);
    expect(answers.npy.index).toEqual(Array.from({ length: COUNT }, (_, at) => at));
    expect(answers.npy.keys).toEqual(answers.npy.index.map(String));
  });

  it('has Python read the archives of a WebDataset: the same targets, labels and images', async () => {
    expect(floatsOf(await readFile(join(folder, 'webdataset.bin')))).toEqual(stored);
    expect(answers.webdataset.labels).toEqual(labels);
    const images = (await readdir(join(folder, 'png'))).sort();
    expect(images).toHaveLength(COUNT);
    expect(images[7]).toBe('000000007.png');
    for (const [at, file] of images.entries()) {
      expect(await greyPixels(await readFile(join(folder, 'png', file)))).toEqual(imageAt(at));
    }
    const [first, second] = [answers.webdataset.names.slice(0, 3), answers.webdataset.names[3]];
    expect(first).toEqual(['png', 'cls', 'target.npy'].map((extension) => ['000000000', extension]));
    expect(second).toEqual(['000000001', 'png']);
  });
});
