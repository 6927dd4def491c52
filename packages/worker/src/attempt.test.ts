/** One attempt at a stage, against a real database. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type JobLimits, ProblemError, type StageResult, Training } from '@rela/contracts';
import {
  type Database,
  type EmbeddedPostgres,
  migrate,
  openDatabase,
  type Stage,
  startEmbeddedPostgres,
} from '@rela/database';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { type AttemptOptions, attemptStage, type StageHandler } from './attempt.js';

let folder: string;
let postgres: EmbeddedPostgres;
let database: Database;
let stageId: string;
let dispatch: number;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rela-worker-'));
  postgres = await startEmbeddedPostgres({ folder });
  await migrate(postgres.url);
  database = await openDatabase(postgres.url);
});
afterAll(async () => {
  await database?.close();
  await postgres?.stop();
  await rm(folder, { recursive: true, force: true });
});

/** An ingest stage is the smallest there is: it needs no job. */
beforeEach(async () => {
  ({ stageId } = await database.datasets.create({
    name: 'shapes',
    source: { kind: 'folder', path: '/nowhere' },
    tolerance: 0,
    shardSize: 16,
  }));
  ({ dispatch } = (await database.stages.get(stageId))!);
});

const digest = `sha256:${'a'.repeat(64)}`;
const result: StageResult = {
  kind: 'ingest',
  manifest: digest,
  bytes: 1,
  undecodable: { count: 0, examples: [] },
  seconds: 1,
};
const manifest = {
  version: 1 as const,
  classes: null,
  channels: 1 as const,
  imageSize: null,
  mean: [0],
  std: [1],
  splits: { train: { count: 2, shards: [] }, test: null },
};

async function attempt(
  handler: StageHandler,
  shutdown = new AbortController().signal,
  more: Partial<AttemptOptions> = {},
): Promise<void> {
  const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const options: AttemptOptions = {
    database,
    handlers: { ingest: handler, train: handler },
    worker: 'test',
    leaseSeconds: 5,
    maxAttempts: 3,
    device: 'cpu',
    log,
    ...more,
  };
  await attemptStage(options, { stageId, dispatch }, shutdown);
}
const stage = async () => (await database.stages.get(stageId))!;
const waitUntilStopped = (signal: AbortSignal) =>
  new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });

it('a result is stored and the stage has succeeded', async () => {
  await attempt(async () => ({ result, facts: { manifest } }));
  expect(await stage()).toMatchObject({ status: 'succeeded', result });
});

it('no beat waits for the row of a result that is being kept, and the lease is renewed where that takes long', async () => {
  const leaseSeconds = 5;
  let keeping: number | null = null;
  const beats: number[] = [];
  const stages: Database['stages'] = {
    ...database.stages,
    async heartbeat(...given) {
      if (keeping !== null) beats.push(performance.now() - keeping);
      return database.stages.heartbeat(...given);
    },
    async succeed(...given) {
      keeping = performance.now();
      await sleep(800 * leaseSeconds);
      return database.stages.succeed(...given);
    },
  };
  await attempt(async () => ({ result, facts: { manifest } }), undefined, {
    database: { ...database, stages },
    leaseSeconds,
  });
  expect(await stage()).toMatchObject({ status: 'succeeded' });
  expect(beats.length).toBeGreaterThan(0);
  // A timer may be a millisecond early.
  expect(Math.min(...beats)).toBeGreaterThan((1000 * leaseSeconds) / 3 - 5);
});

it('the same message twice runs the stage once', async () => {
  let runs = 0;
  const handler: StageHandler = async () => {
    runs++;
    return { result, facts: { manifest } };
  };
  await Promise.all([attempt(handler), attempt(handler)]);
  await attempt(handler);
  expect(runs).toBe(1);
});

it('an error that another try may cure queues the stage again', async () => {
  await attempt(async () => {
    throw new Error('the disk was busy');
  });
  expect(await stage()).toMatchObject({ status: 'queued', error: 'the disk was busy' });
});

it('an error in what the user gave fails the stage at once, with its sentence', async () => {
  await attempt(async () => {
    throw new ProblemError('invalid-data', 'Image 3 is no image.');
  });
  expect(await stage()).toMatchObject({ status: 'failed', error: 'Image 3 is no image.' });
});

it('a stage that the worker gives back at shutdown is queued and has cost no attempt', async () => {
  const shutdown = new AbortController();
  const running = attempt(({ stageId: _ }, { signal }) => waitUntilStopped(signal), shutdown.signal);
  await sleep(300);
  shutdown.abort();
  await running;
  expect(await stage()).toMatchObject({ status: 'queued', error: null });
});

/** A job of one training, which the next attempt is at. */
async function useTraining(limits: JobLimits = {}): Promise<string> {
  const { datasetId } = await stage();
  const training = Training.parse({ method: { name: 'byol' } });
  const { id } = await database.jobs.create({
    ...{ name: null, datasetId: datasetId!, priorId: null, reuse: false, labels: {}, limits, priority: 0 },
    runs: [{ ...training, name: 'only' }],
    stages: [
      {
        ...{ ref: 'train', kind: 'train', runRef: 0, resultKey: 'train', dependsOn: [], after: [] },
        input: { kind: 'train', dataset: digest, training, reduceKey: null },
      },
    ],
  });
  [{ id: stageId, dispatch }] = (await database.stages.listByJob(id)) as [Stage];
  return id;
}

it('an attempt whose job is paused is told to stop, and its stage is paused, not queued', async () => {
  const id = await useTraining();
  let reason: unknown;
  const handler: StageHandler = async (_, { signal }) =>
    waitUntilStopped(signal).catch((error: unknown) => {
      reason = error;
      throw error;
    });
  const running = attempt(handler);
  await sleep(300);
  await database.jobs.pause(id);
  await running;
  expect(reason).toMatchObject({ reason: 'paused' });
  expect(await stage()).toMatchObject({ status: 'paused', attempt: 0, error: null });
});

it('an attempt that takes longer than its job allows is stopped and tried again, as often as the job allows', async () => {
  await useTraining({ attempts: 2, attemptSeconds: 0.2 });
  await attempt((_, { signal }) => waitUntilStopped(signal));
  expect(await stage()).toMatchObject({ status: 'queued', attempt: 1 });
  ({ dispatch } = await stage());
  await attempt((_, { signal }) => waitUntilStopped(signal));
  expect(await stage()).toMatchObject({ status: 'failed', error: expect.stringContaining('the 0.2 s that') });
});

it('an attempt that lost its stage to another worker is told to stop and changes nothing', async () => {
  let reason: unknown;
  const running = attempt(async (_, { signal }) => {
    try {
      return await waitUntilStopped(signal);
    } catch (error) {
      reason = error;
      return { result, facts: { manifest } };
    }
  });
  await sleep(300);
  const held = await stage();
  await database.stages.release({ stageId, fence: held.fence });
  await running;
  expect(reason).toMatchObject({ name: 'StageStopped', reason: 'lost' });
  expect((await stage()).status).toBe('queued');
});
