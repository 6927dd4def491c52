// Finished jobs of several shapes, made by the service's own repositories: what the rows of a million are copied from. Workers are played,
// with results of the sizes that real ones have.
import { createHash } from 'node:crypto';
import { JobCreate } from '@rela/contracts';
import { createRandom } from '@rela/random';
import { planJob } from '@rela/stages';

const sha = (text) => createHash('sha256').update(text).digest('hex');
const digestOf = (text) => `sha256:${sha(text)}`;

/** A short training: five epochs of 3,280 images. Runs of real size have a hundred times as many. */
export const STEPS = 128;
const IMAGES = 3280;
const SWITCH_STEP = 52;
const CHECKPOINTS = [64, STEPS];
const LEASE = { worker: 'train-worker-0', leaseSeconds: 60 };

/**
 * `weight` of a hundred jobs are like this: so many runs, the last of them a control where there are several, after a data set in so
 * many shards; `end` says how it goes wrong.
 */
export const SHAPES = [
  { weight: 20, runs: 1, shards: 1 },
  { weight: 25, runs: 2, shards: 2 },
  { weight: 30, runs: 4, shards: 2 },
  { weight: 17, runs: 8, shards: 3 },
  { weight: 4, runs: 2, shards: 2, end: 'failed' },
  { weight: 1, runs: 2, shards: 1, end: 'dead' },
  { weight: 3, runs: 4, shards: 2, end: 'cancelled' },
];

const manifestOf = (shards) => ({
  ...{ version: 1, classes: Array.from({ length: 10 }, (_, index) => `class ${index}`), channels: 1 },
  ...{ imageSize: { height: 28, width: 28 }, mean: [0.286], std: [0.353] },
  splits: {
    train: {
      count: IMAGES,
      shards: Array.from({ length: shards }, (_, index) => {
        const count = Math.floor(IMAGES / shards) + (index < IMAGES % shards ? 1 : 0);
        return { digest: digestOf(`shard ${index} of ${shards}`), count, bytes: 784 * count };
      }),
    },
    test: { count: 1000, shards: [{ digest: digestOf('test'), count: 1000, bytes: 784_000 }] },
  },
});

async function addDataset({ datasets, stages }, shards) {
  const manifest = manifestOf(shards);
  const source = { kind: 'folder', path: '/data/images', testFraction: 0.2 };
  const { dataset, stageId } = await datasets.create({
    ...{ name: `template-${shards}`, source, tolerance: 0.01, shardSize: 2048 },
  });
  const claim = await stages.claim({ ...LEASE, stageId, dispatch: 1 });
  const undecodable = { count: 1, examples: [{ name: 'a/b.png', reason: 'not an image' }] };
  const digest = digestOf(`manifest ${shards}`);
  const result = { kind: 'ingest', manifest: digest, bytes: 784 * IMAGES, undecodable, seconds: 9.5 };
  await stages.succeed(claim, result, { facts: { manifest } });
  return { dataset: await datasets.get(dataset.id), manifest };
}

const addPrior = ({ priors }) =>
  priors.create({
    ...{ name: 'template', digest: digestOf('prior'), model: digestOf('model') },
    ...{ source: { kind: 'artifact', digest: digestOf('model') }, input: 'images', output: 'features' },
    ...{ pool: false, batch: null, width: 512 },
    preprocessing: {
      ...{ height: 28, width: 28, channels: 1, layout: 'nchw', dtype: 'float32', scale: 'unit' },
      ...{ mean: [0.286], std: [0.353] },
    },
  });

function resultOf({ input, stageId }) {
  const digest = (what) => digestOf(`${what} ${stageId}`);
  switch (input.kind) {
    case 'appraise':
      return {
        ...{
          kind: 'appraise',
          name: input.name,
          prior: input.prior.digest,
          images: 256,
          k: input.k,
          rank: 200,
        },
        ...{
          effectiveRank: 31.4,
          outlierShare: 0.07,
          repeatability: 1,
          agreement: 0.91,
          signal: 0.44,
          knn: 0.71,
        },
        ...{ secondsPerImage: 0.0041, refused: null, flags: [], width: 512, embeddings: digest('sample') },
        seconds: 2.2,
      };
    case 'embed':
      return {
        ...{ kind: 'embed', embeddings: digest('embeddings'), statistics: digest('statistics') },
        ...{ count: input.shard.count, width: 512, seconds: 6.25 },
      };
    case 'reduce':
      return { kind: 'reduce', targets: digest('targets'), k: input.k, seconds: 1.5, embedSeconds: 12.5 };
    case 'train':
      return {
        ...{ kind: 'train', model: digest('model'), modelBytes: 2_812_331, width: 128 },
        ...{ weights: digest('weights'), weightsBytes: 2_790_112, seconds: 141.7, steps: STEPS },
        switchStep: input.reduceKey === null ? null : SWITCH_STEP,
        ...{ flops: 8.3e12, finalLoss: 0.417, waitShare: 0.002, engine: 'compiled', endedBy: 'epochs' },
        kernels: { '3x3 32>64 14': 'winograd', '3x3 64>64 14': 'winograd', '1x1 32>64 14': 'rows' },
        checkpoint: { step: STEPS, digest: digest(`checkpoint ${STEPS}`), bytes: 8_400_123 },
      };
    case 'evaluate':
      return { kind: 'evaluate', accuracy: 0.8123, accuracyStd: 0.0021, knn: 0.7741, seconds: 11.3 };
    default:
      throw new Error(`No result of a stage of kind ${input.kind}.`);
  }
}

/** What a run tells on its way: metrics of every step in batches, the switch, checkpoints. */
async function train({ runs }, claim, random) {
  const isRela = claim.input.reduceKey !== null;
  const metrics = Array.from({ length: STEPS }, (_, index) => {
    const phase = isRela && index + 1 < SWITCH_STEP ? 'rela' : 'method';
    return {
      ...{ step: index + 1, epoch: Math.floor(index / 26), phase },
      loss: Math.fround(2 / (1 + index / 30) + 0.1 * random.next()),
      rho: phase === 'rela' ? Math.fround(random.next()) : null,
      classifierAccuracy: Math.round(128 * random.next()) / 128,
      seconds: 1.1 * (index + random.next()),
    };
  });
  for (let at = 0; at < STEPS; at += 16) await runs.appendMetrics(claim, metrics.slice(at, at + 16));
  if (isRela) await runs.recordSwitch(claim, SWITCH_STEP);
  for (const step of CHECKPOINTS)
    await runs.saveCheckpoint(claim, {
      ...{ step, digest: digestOf(`checkpoint ${step} ${claim.stageId}`), bytes: 8_400_123 },
      final: step === STEPS,
    });
}

/** Works at what is queued of the job until nothing is. */
async function workOff(database, jobId, { end }, random) {
  const { stages, jobs } = database;
  const seen = new Set();
  for (;;) {
    const queued = (await stages.listByJob(jobId)).filter(({ status }) => status === 'queued');
    if (queued.length === 0) return;
    for (const { id: stageId, dispatch, kind } of queued) {
      const claim = await stages.claim({ ...LEASE, stageId, dispatch });
      if (!claim) continue;
      const isFirstTraining = kind === 'train' && !seen.has('train');
      seen.add(kind);
      if (end === 'cancelled' && isFirstTraining) {
        await jobs.cancel(jobId);
        await stages.release(claim);
        return;
      }
      if ((end === 'failed' || end === 'dead') && isFirstTraining) {
        await stages.fail(claim, {
          ...{
            error: 'The loss is not a number at step 12: a smaller learning rate may help.',
            maxAttempts: 1,
          },
          retryable: end === 'dead',
        });
        continue;
      }
      if (kind === 'train') await train(database, claim, random);
      await stages.succeed(claim, resultOf(claim));
    }
  }
}

/** Digests of what jobs share: the same in every copy. */
export const SHARED = new Set([
  ...['prior', 'model', 'test'].map(digestOf),
  ...[1, 2, 3].flatMap((shards) => [
    digestOf(`manifest ${shards}`),
    ...Array.from({ length: shards }, (_, index) => digestOf(`shard ${index} of ${shards}`)),
  ]),
]);

/** @returns { templates: [{ jobId, datasetId, weight, runs }], one a shape, priorId } */
export async function makeTemplates(database, seed) {
  const prior = await addPrior(database);
  const datasets = new Map();
  const templates = [];
  for (const [index, shape] of SHAPES.entries()) {
    const { shards } = shape;
    if (!datasets.has(shards)) datasets.set(shards, await addDataset(database, shards));
    const { dataset, manifest } = datasets.get(shards);
    const runs = Array.from({ length: shape.runs }, (_, run) => {
      const isControl = shape.runs > 1 && run === shape.runs - 1;
      const ratio = isControl ? { rela: null } : { rela: {}, dataRatio: 0.5 };
      return {
        name: isControl ? 'control' : `seed-${run}`,
        method: { name: 'byol' },
        epochs: 5,
        seed: run,
        ...ratio,
      };
    });
    const request = JobCreate.parse({
      name: `template-${index}`,
      dataset: dataset.id,
      prior: prior.id,
      runs,
    });
    const { id } = await database.jobs.create(planJob(request, { dataset, manifest, prior }));
    await workOff(database, id, shape, createRandom(seed, 'template').fork(index));
    templates.push({ jobId: id, datasetId: dataset.id, weight: shape.weight, runs: shape.runs });
  }
  return { templates, priorId: prior.id };
}

/** Some jobs that are not finished: of their first stages half were sent to the queue, and a worker has a few. */
export async function addLiveJobs(database, { jobs = 20, shards = 3 } = {}) {
  const prior = await addPrior(database);
  const { dataset, manifest } = await addDataset(database, shards);
  const runs = [{ name: 'only', method: { name: 'byol' }, epochs: 5, rela: {} }];
  const request = JobCreate.parse({ dataset: dataset.id, prior: prior.id, runs, reuse: false });
  for (let made = 0; made < jobs; made++)
    await database.jobs.create(planJob(request, { dataset, manifest, prior }));
  const messages = await database.outbox.take(jobs);
  await database.outbox.markSent(messages.slice(0, jobs / 2).map(({ id }) => id));
  for (const { stageId, dispatch } of messages.slice(0, jobs / 4))
    await database.stages.claim({ ...LEASE, leaseSeconds: 3600, stageId, dispatch });
}
