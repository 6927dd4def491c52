/** The train stage as people use it: bounds, looks at held-out images, runs that stop, go on and start from others. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DatasetManifest, type StageResultOf, Training } from '@rela/contracts';
import { createEngine, type Engine } from '@rela/engine';
import { ingestDataset, readCheckpoint, type TrainOptions, train } from '@rela/stages';
import { type ArtifactStore, openStore } from '@rela/storage';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { writeShapes } from '../shapes.js';

const IMAGES = 96;
let folder: string;
let store: ArtifactStore;
let manifest: DatasetManifest;
let engine: Engine;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rela-train-'));
  store = openStore(join(folder, 'store'));
  const files = await writeShapes(join(folder, 'images'), { count: IMAGES });
  const source = { kind: 'idx' as const, train: files };
  const dataset = { name: 'shapes', source, tolerance: 0, shardSize: 64 };
  const tools = { store, signal: new AbortController().signal, progress: () => undefined };
  const options = { cacheFolder: folder, maxPixels: 1e6, onSource: () => undefined };
  ({ manifest } = await ingestDataset({ kind: 'ingest', dataset }, options, tools));
  engine = await createEngine({ engine: 'compiled', threads: 1 });
});
afterAll(async () => {
  await engine?.dispose();
  await rm(folder, { recursive: true, force: true });
});

const sgd = (learningRate = 0.05) => ({ name: 'sgd' as const, learningRate, nesterov: true });

function trainingOf(more: object = {}): Training {
  return Training.parse({
    method: { name: 'supervised' },
    // Halves the images twice before the first block: a short step.
    backbone: { name: 'resnet18-narrow', stem: 'standard' },
    optimizer: sgd(),
    epochs: 2,
    batchSize: 16,
    seed: 4,
    ...more,
  });
}

type Saved = { step: number; digest: string; final: boolean };

/** The result, the checkpoints it wrote, and the steps that it made. */
async function run(
  training: Training,
  more: Partial<TrainOptions> = {},
): Promise<{ result: StageResultOf<'train'>; saved: Saved[]; steps: number[] }> {
  const saved: Saved[] = [];
  const steps: number[] = [];
  const result = await train(
    {
      ...{ training, manifest, engine, targets: null, checkpoints: [], loaderThreads: 1 },
      checkpointSeconds: Number.POSITIVE_INFINITY,
      ...more,
    },
    {
      metric: ({ step }) => steps.push(step),
      switched: () => undefined,
      checkpoint: (written) => saved.push(written),
      warn: () => undefined,
    },
    { store, signal: new AbortController().signal, progress: () => undefined },
  );
  return { result, saved, steps };
}

it('goes on bit for bit from any checkpoint: in the middle of a batch, of the warm-up, between two looks', async () => {
  const training = trainingOf({
    method: { name: 'byol' },
    accumulate: 2,
    schedule: { name: 'cosine', warmupEpochs: 0.5 },
    ema: { schedule: 'cosine' },
    clip: { norm: 0.5 },
    validation: { fraction: 0.29 },
    return: 'best',
  });
  // 68 images are left: four steps of two parts an epoch.
  const whole = await run(training, { checkpointSeconds: 0 });
  expect(whole.steps).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  const unmeasured = ({ seconds: _, waitShare: __, checkpoint, ...rest }: StageResultOf<'train'>) => ({
    ...rest,
    checkpoint: checkpoint?.step,
  });
  // One of each kind is enough: parts of the batch that are done, and looks.
  const kinds = new Set(['1/0', '0/1', '1/1']);
  for (const { step, digest } of whole.saved) {
    const { progression } = await readCheckpoint(store, digest);
    const kind = `${progression.part}/${progression.validations.length}`;
    if (!kinds.delete(kind)) continue;
    const resumed = await run(training, { checkpoints: [{ step, digest }] });
    expect(unmeasured(resumed.result), `from step ${step}, part ${progression.part}`).toEqual(
      unmeasured(whole.result),
    );
  }
  expect(kinds.size).toBe(0);
  // Where an engine copies its state, several runs of the step are one call.
  const copying: Engine = Object.create(engine, { copiesState: { value: true } });
  expect(unmeasured((await run(training, { engine: copying })).result)).toEqual(unmeasured(whole.result));
});

it('keeps a checkpoint at each of the steps that are asked for, whole steps also where one has several parts', async () => {
  const training = trainingOf({ accumulate: 2 });
  const asked = { checkpointSteps: [2, 5] };
  const { saved } = await run(training, asked);
  expect(saved.map(({ step, final }) => [step, final])).toEqual([
    [2, false],
    [5, false],
    [12, true],
  ]);
  const copying: Engine = Object.create(engine, { copiesState: { value: true } });
  const several = await run(training, { ...asked, engine: copying });
  expect(several.saved.map(({ step }) => step)).toEqual([2, 5, 12]);
});

it('goes on with a finished run for longer, and is then bit for bit the longer run', async () => {
  const short = await run(trainingOf({ epochs: 1 }));
  const { checkpoint } = short.result;
  expect(short.saved).toEqual([{ ...checkpoint, final: true }]);
  const longer = await run(trainingOf({ epochs: 3 }));
  const continued = await run(trainingOf({ epochs: 3 }), { continueFrom: checkpoint!.digest });
  expect(continued.steps[0]).toBe(7);
  expect(continued.result.weights).toBe(longer.result.weights);
  expect(continued.result.model).toBe(longer.result.model);
  expect(continued.result).toMatchObject({ steps: 18, flops: longer.result.flops, endedBy: 'epochs' });
  expect(short.result.weights).not.toBe(longer.result.weights);
  // Another cosine: that of the new length, from here on.
  const cosine = trainingOf({ epochs: 3, schedule: { name: 'cosine' } });
  const bent = await run(cosine, { continueFrom: checkpoint!.digest });
  expect(bent.result.weights).not.toBe(longer.result.weights);
});

it('refuses to go on with a run of another network, naming the tensor', async () => {
  const { result } = await run(trainingOf({ epochs: 1 }));
  const going = run(trainingOf({ optimizer: {} }), { continueFrom: result.checkpoint!.digest });
  await expect(going).rejects.toThrow(/tensor "(adamw|sgd)\..*" is/);
});

it('ends at the bound that comes first, cleanly and with a model, and says which', async () => {
  const { result: one } = await run(trainingOf({ budget: { steps: 1 } }));
  expect(one).toMatchObject({ endedBy: 'steps', steps: 1 });
  const steps = async (budget: object) => {
    const { result } = await run(trainingOf({ budget }));
    expect(await store.has(result.model)).toBe(true);
    return `${result.endedBy} ${result.steps}`;
  };
  expect(await steps({ images: 16 * 5 + 15, steps: 7 })).toBe('images 5');
  const { count, shards } = manifest.splits.train;
  const imageBytes = shards.reduce((sum, { bytes }) => sum + bytes, 0) / count;
  expect(await steps({ bytes: Math.floor(16 * 3.5 * imageBytes) })).toBe('bytes 3');
  expect(await steps({ flops: 3.9 * one.flops })).toBe('flops 3');
  expect(await steps({ seconds: 1e-9 })).toBe('seconds 1');
  expect(await steps({ seconds: 1e9, flops: 1e30 })).toBe('epochs 12');
  await expect(run(trainingOf({ budget: { flops: one.flops / 2 } }))).rejects.toThrow(/room for no step/);
});

it('stores the best and the last weights, and hands out those that are asked for', async () => {
  // So small a step changes no neighbour: the first look is the best, later ones are no better.
  const still = { optimizer: sgd(1e-9), epochs: 4, validation: { fraction: 0.3 } };
  const last = (await run(trainingOf(still))).result;
  expect(last.validations!.map(({ step }) => step)).toEqual([4, 8, 12, 16]);
  expect(last.best).toMatchObject({ step: 4, epoch: 1, accuracy: last.validations![0]!.accuracy });
  expect(last).toMatchObject({ returned: 'last', weights: last.last!.weights, model: last.last!.model });
  expect(last.best!.weights).not.toBe(last.last!.weights);
  const best = (await run(trainingOf({ ...still, return: 'best' }))).result;
  expect(best).toMatchObject({ returned: 'best', weights: last.best!.weights, last: last.last! });
  for (const { model, weights } of [best.best!, best.last!]) {
    expect(await store.has(model)).toBe(true);
    expect(await store.has(weights)).toBe(true);
  }
  const early = await run(trainingOf({ ...still, validation: { fraction: 0.3, patience: 2 } }));
  expect(early.result).toMatchObject({ endedBy: 'patience', steps: 12 });
});

it('sees by its looks how good the backbone is', async () => {
  const { result } = await run(trainingOf({ epochs: 8, optimizer: {}, validation: { fraction: 0.3 } }));
  const accuracies = result.validations!.map(({ accuracy }) => accuracy);
  expect(Math.max(...accuracies)).toBe(result.best!.accuracy);
  expect(result.best!.accuracy).toBeGreaterThan(0.6);
});

it('starts from given weights, and refuses those of another backbone by the first tensor that differs', async () => {
  const { result } = await run(trainingOf({ epochs: 1 }));
  // A step that moves nothing hands out what it was given.
  const frozen = { optimizer: sgd(1e-30), budget: { steps: 1 } };
  const again = (await run(trainingOf(frozen), { init: result.weights })).result;
  expect(again.weights).not.toBe((await run(trainingOf(frozen))).result.weights);
  expect((await run(trainingOf({ epochs: 1 }), { init: result.weights })).result.weights).not.toBe(
    result.weights,
  );
  const other = run(trainingOf({ backbone: { name: 'mobilenet-v2' } }), { init: result.weights });
  await expect(other).rejects.toThrow(/do not fit the backbone: tensor "features\.0\.0\.weight" is missing/);
});
