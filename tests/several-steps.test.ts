/** The train stage where several steps make one call, as on a device that the state is copied to: nothing but the calls differs. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DatasetManifest, type RunMetric, Training } from '@rela/contracts';
import { createEngine, type Engine } from '@rela/engine';
import { ingestDataset, type StageTools, train } from '@rela/stages';
import { openStore } from '@rela/storage';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { writeShapes } from './shapes.js';

let folder: string;
let tools: StageTools;
let manifest: DatasetManifest;
let engine: Engine;
let single: Awaited<ReturnType<typeof trained>>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rela-several-'));
  tools = {
    store: openStore(join(folder, 'artifacts')),
    signal: new AbortController().signal,
    progress: () => undefined,
  };
  const source = { kind: 'idx' as const, train: await writeShapes(join(folder, 'train'), { count: 28 }) };
  const dataset = { source, tolerance: 0, shardSize: 28 };
  const options = { cacheFolder: folder, maxPixels: 1e6, onSource: () => undefined };
  ({ manifest } = await ingestDataset({ kind: 'ingest', dataset } as never, options, tools));
  engine = await createEngine({ engine: 'compiled', threads: 1 });
  single = await trained({});
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** 7 steps an epoch: three times four, and two alone. */
const training = Training.parse({ method: { name: 'supervised' }, epochs: 2, batchSize: 4, seed: 3 });

interface Told {
  metrics: Omit<RunMetric, 'seconds'>[];
  checkpoints: { step: number; digest: string }[];
  warnings: string[];
}

async function trained(
  with_: Partial<Engine>,
  {
    checkpoints = [],
    signal = tools.signal,
  }: { checkpoints?: Told['checkpoints']; signal?: AbortSignal } = {},
  onMetric: (step: number) => void = () => undefined,
) {
  const told: Told = { metrics: [], checkpoints: [], warnings: [] };
  const options = {
    training,
    manifest,
    targets: null,
    checkpoints,
    checkpointSeconds: 1e9,
    loaderThreads: 1,
  };
  const observer = {
    metric: ({ seconds: _, ...metric }: RunMetric) => {
      told.metrics.push(metric);
      onMetric(metric.step);
    },
    switched: () => undefined,
    checkpoint: ({ step, digest }: { step: number; digest: string }) =>
      told.checkpoints.push({ step, digest }),
    warn: (text: string) => told.warnings.push(text),
  };
  const ended = train({ ...options, engine: { ...engine, ...with_ } }, observer, { ...tools, signal });
  const result = await ended.catch((error: Error) => error.message);
  return { result, ...told };
}

it('gives the metrics, the model and the cost of single steps, in calls of four where four are left', async () => {
  const unrolls: (number | undefined)[] = [];
  const several = await trained({
    copiesState: true,
    compile: (step, state, batch, options) => {
      unrolls.push(options?.unroll);
      return engine.compile(step, state, batch, options);
    },
  });
  expect(unrolls).toEqual([1, 4]);
  expect(several.metrics).toEqual(single.metrics);
  expect(several.metrics.map(({ step }) => step)).toEqual(Array.from({ length: 14 }, (_, at) => at + 1));
  const lasting = ({ result }: typeof single) =>
    typeof result === 'string' ? result : { model: result.model, flops: result.flops, steps: result.steps };
  expect(lasting(several)).toEqual(lasting(single));
});

it('stopped in the middle, goes on from the last call with the numbers of an unbroken run, also with another engine', async () => {
  const stop = new AbortController();
  const first = await trained({ copiesState: true, name: 'cuda' }, { signal: stop.signal }, (step) => {
    if (step === 2) stop.abort(new Error('stopped'));
  });
  expect(first.result).toBe('stopped');
  const [{ step } = { step: 0 }] = first.checkpoints;
  expect(first.metrics.at(-1)!.step).toBe(step);
  const second = await trained({ name: 'compiled' }, { checkpoints: first.checkpoints });
  expect([...first.metrics, ...second.metrics]).toEqual(single.metrics);
  expect(second.result).toMatchObject({ engine: 'cuda, compiled' });
  expect(second.warnings).toEqual([
    expect.stringMatching(new RegExp(`after step ${step} with the engine compiled; it was begun with cuda`)),
  ]);
  expect(single.warnings).toEqual([]);
});
