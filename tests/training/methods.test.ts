/** Every method through the stages: from targets and images over the switch to a model and an accuracy. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type DatasetManifest,
  type RunMetric,
  type StageResultOf,
  type TargetsManifest,
  Training,
} from '@rela/contracts';
import { createEngine, type Engine } from '@rela/engine';
import { createRandom } from '@rela/random';
import { evaluate, ingestDataset, rowBytes, type StageTools, type TrainOptions, train } from '@rela/stages';
import { type ArtifactStore, openStore } from '@rela/storage';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { writeShapes } from '../shapes.js';

const IMAGES = 48;
const BATCH = 16;
const K = 8;
/** One epoch towards the targets and one with the method's own loss. */
const EPOCHS = 2;
const STEPS_PER_EPOCH = IMAGES / BATCH;

const METHODS = [
  { name: 'byol' },
  { name: 'simclr' },
  { name: 'simsiam' },
  { name: 'moco-v2', queue: 40 },
  { name: 'barlow-twins', projection: 32 },
  { name: 'vicreg', projection: 32 },
  { name: 'dino', prototypes: 32, hidden: 32, bottleneck: 16, localViews: 2 },
  { name: 'mae', decoderDepth: 1, decoderWidth: 32 },
  { name: 'supervised' },
];

let folder: string;
let store: ArtifactStore;
let manifest: DatasetManifest;
let targets: TargetsManifest;
let engine: Engine;
let tools: StageTools;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rela-methods-'));
  store = openStore(join(folder, 'store'));
  tools = { store, signal: new AbortController().signal, progress: () => undefined };
  const source = {
    kind: 'idx' as const,
    train: await writeShapes(join(folder, 'train'), { count: IMAGES }),
    test: await writeShapes(join(folder, 'test'), { count: IMAGES }),
  };
  const dataset = { name: 'shapes', source, tolerance: 0, shardSize: IMAGES };
  const options = { cacheFolder: folder, maxPixels: 1e6, onSource: () => undefined };
  ({ manifest } = await ingestDataset({ kind: 'ingest', dataset }, options, tools));
  const random = createRandom(1, 'targets');
  const rows = Float32Array.from({ length: IMAGES * K }, () => random.normal());
  const { digest } = await store.write(rowBytes(rows));
  targets = { version: 1, k: K, count: IMAGES, shards: [{ digest, count: IMAGES }] };
  engine = await createEngine({ engine: 'compiled', threads: 1 });
});
afterAll(async () => {
  await engine?.dispose();
  await rm(folder, { recursive: true, force: true });
});

interface Ran {
  result: StageResultOf<'train'>;
  saved: { step: number; digest: string }[];
  metrics: RunMetric[];
}

async function run(training: Training, more: Partial<TrainOptions> = {}): Promise<Ran> {
  const saved: Ran['saved'] = [];
  const metrics: RunMetric[] = [];
  const options = {
    training,
    manifest,
    targets,
    engine,
    checkpoints: [],
    checkpointSeconds: 1e9,
    loaderThreads: 1,
  };
  const observer = {
    metric: (metric: RunMetric) => metrics.push(metric),
    switched: () => undefined,
    checkpoint: (written: Ran['saved'][number]) => saved.push(written),
    warn: () => undefined,
  };
  return { result: await train({ ...options, ...more }, observer, tools), saved, metrics };
}

const trainingOf = (method: { name: string }) =>
  Training.parse({
    method,
    backbone: method.name === 'mae' ? { name: 'vit-tiny' } : { name: 'resnet18-narrow', stem: 'standard' },
    rela: { switch: { kind: 'static', lambda: 0.5 } },
    epochs: EPOCHS,
    batchSize: BATCH,
    imageSize: 12,
    evaluation: { probe: { epochs: 3 } },
  });

it.each(METHODS)(
  '$name trains towards targets, goes over to its own loss, and gives a model that is evaluated',
  async (method) => {
    const training = trainingOf(method);
    const { result, metrics } = await run(training);
    expect(metrics.map(({ phase }) => phase)).toEqual([
      ...Array.from({ length: STEPS_PER_EPOCH }, () => 'rela'),
      ...Array.from({ length: STEPS_PER_EPOCH }, () => 'method'),
    ]);
    expect(result).toMatchObject({ steps: 2 * STEPS_PER_EPOCH, switchStep: STEPS_PER_EPOCH + 1 });

    const { accuracy, knn } = await evaluate(
      { training, manifest, model: result.model, engine, threads: 1, scratch: folder },
      tools,
    );
    for (const share of [accuracy, knn]) {
      expect(share).toBeGreaterThanOrEqual(0);
      expect(share).toBeLessThanOrEqual(1);
    }
  },
);

it.each(METHODS.filter(({ name }) => name === 'moco-v2' || name === 'dino'))(
  '$name goes on bit for bit from a checkpoint behind the switch: queue, centre and schedules with it',
  async (method) => {
    const training = trainingOf(method);
    const { result, saved, metrics } = await run(training, { checkpointSeconds: 0 });
    const middle = saved.find(({ step }) => step === STEPS_PER_EPOCH + 1)!;
    const resumed = await run(training, { checkpoints: [middle] });
    expect(resumed.metrics.map(({ step, loss }) => [step, loss])).toEqual(
      metrics.slice(STEPS_PER_EPOCH + 1).map(({ step, loss }) => [step, loss]),
    );
    expect(resumed.result.model).toBe(result.model);
  },
);
