/** Things to put into a database under test, and the small steps that every scenario takes. */
import { createHash, randomUUID } from 'node:crypto';
import {
  type DatasetManifest,
  type Job,
  type JobLimits,
  type JobPlan,
  type Labels,
  type PlannedStage,
  type Prior,
  RunSpec,
  type Schedule,
  ScheduleCreate,
  type StageInput,
  type StageKind,
  type StageResult,
  type StageResultOf,
} from '@rela/contracts';
import type { Database, TenantDatabase } from '../database.js';
import type { Claim } from '../repositories/claim.js';
import type { Stage } from '../repositories/stage-views.js';

export const digestOf = (text: string): string => `sha256:${createHash('sha256').update(text).digest('hex')}`;

export const exampleManifest: DatasetManifest = {
  version: 1,
  classes: ['cat', 'dog'],
  channels: 1,
  imageSize: { height: 28, width: 28 },
  mean: [0.3],
  std: [0.2],
  splits: { train: { count: 60, shards: [] }, test: { count: 10, shards: [] } },
};

export const examplePrior: Omit<Prior, 'id' | 'createdAt'> = {
  name: 'digits',
  digest: digestOf('prior'),
  model: digestOf('model'),
  source: { kind: 'artifact', digest: digestOf('model') },
  input: 'images',
  output: 'features',
  pool: false,
  batch: null,
  width: 128,
  preprocessing: {
    ...{ height: 28, width: 28, channels: 1, layout: 'nchw', dtype: 'float32', scale: 'unit' },
    ...{ mean: [0.3], std: [0.2] },
  },
};

const RESULTS: { [K in StageKind]: StageResultOf<K> } = {
  ingest: {
    ...{ kind: 'ingest', manifest: digestOf('manifest'), bytes: 4096, seconds: 2 },
    undecodable: { count: 1, examples: [{ name: 'a.png', reason: 'not an image' }] },
  },
  adopt: {
    ...{ kind: 'adopt', modelBytes: 900, seconds: 1 },
    prior: {
      ...{
        name: 'adopted',
        digest: digestOf('adopted'),
        model: digestOf('trained'),
        input: 'x',
        output: 'y',
      },
      ...{ source: { kind: 'model', digest: digestOf('trained') }, pool: false, batch: null, width: 128 },
      preprocessing: {
        ...{ height: 28, width: 28, channels: 1, layout: 'nchw', dtype: 'float32', scale: 'unit' },
        ...{ mean: [0.3], std: [0.2] },
      },
    },
  },
  appraise: {
    ...{ kind: 'appraise', name: 'digits', prior: digestOf('prior'), images: 60, k: 15, rank: 40 },
    ...{ effectiveRank: 12, outlierShare: 0.1, repeatability: 1, agreement: 0.9, signal: 0.4, knn: 0.7 },
    ...{ secondsPerImage: 0.01, refused: null, flags: [], width: 128, embeddings: digestOf('sample') },
    seconds: 1,
  },
  choose: {
    ...{ kind: 'choose', prior: digestOf('prior'), name: 'digits', by: 'score', candidates: [], seconds: 1 },
    reason: 'score 0.3, the highest',
  },
  embed: {
    ...{ kind: 'embed', embeddings: digestOf('embeddings'), statistics: digestOf('statistics') },
    ...{ count: 60, width: 128, seconds: 3 },
  },
  join: {
    ...{ kind: 'join', parts: [digestOf('embeddings')], widths: [128], statistics: digestOf('statistics') },
    ...{ count: 60, width: 128, seconds: 1, embedSeconds: 3 },
  },
  reduce: { kind: 'reduce', targets: digestOf('targets'), k: 64, seconds: 0.5, embedSeconds: 6 },
  train: {
    ...{
      kind: 'train',
      model: digestOf('trained'),
      modelBytes: 1000,
      width: 128,
      weights: digestOf('weights'),
      weightsBytes: 900,
    },
    ...{ seconds: 40, steps: 200, switchStep: 80, flops: 1e12, finalLoss: 0.25, waitShare: 0.01 },
    engine: 'compiled',
    kernels: {},
  },
  evaluate: { kind: 'evaluate', accuracy: 0.9, accuracyStd: 0.01, knn: 0.8, seconds: 5 },
};

export function resultOf<K extends StageKind>(kind: K): StageResultOf<K> {
  return RESULTS[kind];
}

/** A dataset that is queued. Its stage is claimed and ended by `finishIngest`. */
export async function addDataset(database: Pick<TenantDatabase, 'datasets'>, name: string = randomUUID()) {
  return database.datasets.create({
    ...{ name, source: { kind: 'folder', path: '/images' }, tolerance: 0, shardSize: 1024 },
  });
}

/** What a scenario may choose of a plan: embed × shards → reduce → (train → evaluate) × runs. */
export interface PlanOptions {
  runs?: number;
  /** One more run, which needs no targets and comes after them. */
  control?: boolean;
  shards?: number;
  reuse?: boolean;
  name?: string;
  labels?: Labels;
  limits?: JobLimits;
  priority?: number;
  /** Equal salts give equal result keys. */
  salt?: string;
}

export async function examplePlan(
  database: Pick<TenantDatabase, 'datasets' | 'priors'>,
  options: PlanOptions = {},
): Promise<JobPlan> {
  const {
    runs = 1,
    control = false,
    shards = 2,
    reuse = false,
    name = 'example',
    labels = {},
    limits = {},
    priority = 0,
    salt = randomUUID(),
  } = options;
  const { dataset } = await addDataset(database);
  const prior = await database.priors.create(examplePrior);
  const specs = Array.from({ length: runs + (control ? 1 : 0) }, (_, index) =>
    RunSpec.parse({ name: `run-${index}`, method: { name: 'byol' } }),
  );
  const stage = (
    ref: string,
    runRef: number | null,
    input: StageInput,
    dependsOn: string[],
    after: string[] = [],
  ): PlannedStage => ({
    ...{ ref, kind: input.kind, runRef, resultKey: `${ref}:${salt}`, input, dependsOn, after },
  });
  const embeds = Array.from({ length: shards }, (_, index) =>
    stage(
      `embed-${index}`,
      null,
      { kind: 'embed', shard: { digest: digestOf(`shard ${index}`), count: 60, bytes: 1 }, prior },
      [],
    ),
  );
  const names = embeds.map((embed) => embed.ref);
  const reduce = stage(
    'reduce',
    null,
    {
      ...{ kind: 'reduce', dataset: digestOf('manifest'), prior: prior.digest, k: 64 },
      embedKeys: embeds.map((embed) => embed.resultKey),
    },
    names,
  );
  const trainings = specs.flatMap(({ name: _name, ...training }, index) => [
    stage(
      `train-${index}`,
      index,
      {
        ...{ kind: 'train', dataset: digestOf('manifest'), training },
        reduceKey: index < runs ? `reduce:${salt}` : null,
      },
      index < runs ? ['reduce'] : [],
      index < runs ? [] : ['reduce'],
    ),
    stage(
      `evaluate-${index}`,
      index,
      { kind: 'evaluate', dataset: digestOf('manifest'), training, trainKey: `train-${index}:${salt}` },
      [`train-${index}`],
    ),
  ]);
  return {
    ...{ name, datasetId: dataset.id, priorId: prior.id, reuse, labels, limits, priority, runs: specs },
    stages: [...embeds, reduce, ...trainings],
  };
}

/** A schedule that is due every minute of the day, unless `options` say otherwise. */
export async function addSchedule(
  database: Database,
  options: Partial<ScheduleCreate> = {},
): Promise<Schedule> {
  const job = { dataset: 'digits', runs: [{ name: 'only', method: { name: 'byol' } }] };
  const given = { name: randomUUID(), cron: '* * * * *', job, ...options };
  return database.transaction((tx) => database.schedules.create(ScheduleCreate.parse(given), tx));
}

/** The stage of the plan's `ref`, as it stands. */
export async function stageOf(database: Database, job: Job, ref: string): Promise<Stage> {
  const stages = await database.stages.listByJob(job.id);
  const found = stages.find((stage) => stage.resultKey.startsWith(`${ref}:`));
  if (!found) throw new Error(`no stage ${ref}`);
  return found;
}

/** Claims a stage the way a worker does that got its newest message. */
export async function claimOf(database: Database, stage: Stage, worker = 'worker'): Promise<Claim> {
  const { id: stageId, dispatch } = stage;
  const claim = await database.stages.claim({ stageId, dispatch, worker, leaseSeconds: 60 });
  if (!claim) throw new Error(`stage ${stage.resultKey} could not be claimed: it is ${stage.status}`);
  return claim;
}

/** Claims and ends the stages of `refs` in this order. */
export async function complete(database: Database, job: Job, refs: string[]): Promise<void> {
  for (const ref of refs) {
    const claim = await claimOf(database, await stageOf(database, job, ref));
    const result: StageResult = resultOf(claim.input.kind);
    if (!(await database.stages.succeed(claim, result))) throw new Error(`${ref} was fenced out`);
  }
}

export async function statusesOf(database: Database, job: Job): Promise<Record<string, string>> {
  const stages = await database.stages.listByJob(job.id);
  return Object.fromEntries(stages.map((stage) => [stage.resultKey.split(':')[0], stage.status]));
}
