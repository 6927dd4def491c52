/** Stages: the units that workers execute. Their inputs and results, as stored in Postgres and nowhere else. */
import { z } from 'zod';
import { Appraisal, Gates, PriorChoice } from './appraisal.js';
import { DatasetCreate, ShardReference } from './dataset.js';
import { EvaluateTask, FeatureFiles, FinetuneResult } from './evaluation.js';
import { Digest, Name, Timestamp } from './identifiers.js';
import { JobRequest } from './job.js';
import { EndedBy, ValidationPoint } from './optimization.js';
import { Preprocessing, Prior } from './prior.js';
import { Progress } from './progress.js';
import { BackboneSpec, Kernels, Training } from './training.js';

export const StageKind = z.enum([
  'ingest',
  'adopt',
  'appraise',
  'choose',
  'embed',
  'join',
  'reduce',
  'train',
  'evaluate',
]);
export type StageKind = z.infer<typeof StageKind>;

export const StageStatus = z.enum([
  'waiting',
  'queued',
  'running',
  'paused',
  'succeeded',
  'failed',
  'cancelled',
]);
export type StageStatus = z.infer<typeof StageStatus>;

/** A prior as an embedding worker needs it. */
export const PriorModel = z.object({
  digest: Digest,
  model: Digest,
  input: z.string(),
  output: z.string(),
  pool: z.boolean(),
  batch: z.int().positive().nullable(),
  width: z.int().positive(),
  preprocessing: Preprocessing,
});
export type PriorModel = z.infer<typeof PriorModel>;

export const IngestInput = z.object({ kind: z.literal('ingest'), dataset: DatasetCreate });
export const EmbedInput = z.object({ kind: z.literal('embed'), shard: ShardReference, prior: PriorModel });
export const SampledShard = z.object({
  shard: ShardReference,
  indices: z.array(z.int().nonnegative()).describe('of images in the shard, rising'),
});
export type SampledShard = z.infer<typeof SampledShard>;
export const AppraiseInput = z.object({
  kind: z.literal('appraise'),
  name: z.string().describe('of the prior, for what is said about it'),
  prior: PriorModel,
  sample: z.array(SampledShard),
  seed: z.int(),
  k: z.int().positive().describe('widest target that the runs take'),
  gates: Gates,
  refuse: z.boolean().describe('whether the stage fails where the prior is refused; else its result says so'),
});
/** What the rest of a plan is made of that goes on when a stage knows the prior. */
const RestOfPlan = z.object({
  request: JobRequest,
  datasetId: z.string(),
  dataset: Digest,
  priors: z
    .array(z.object({ reference: z.string(), prior: Prior }))
    .optional()
    .describe('that runs name as their own'),
  inits: z.array(z.object({ run: z.int(), weights: Digest })).describe('weights that runs start from'),
  transfers: z
    .array(z.object({ reference: z.string(), name: z.string(), digest: Digest }))
    .describe('data sets that runs are also judged on'),
});
export type RestOfPlan = z.infer<typeof RestOfPlan>;
export const AdoptInput = RestOfPlan.extend({
  kind: z.literal('adopt'),
  run: z.object({ id: z.string(), jobId: z.string() }).describe('whose model becomes the prior'),
  name: Name.describe('of the prior'),
  model: Digest.nullable().describe('of that run; null until it has succeeded'),
});
export const ChooseInput = RestOfPlan.extend({
  kind: z.literal('choose'),
  candidates: z.array(Prior),
  sample: z.array(SampledShard),
  most: z.int().positive().describe('widest target that the runs take'),
  student: z
    .object({ backbone: BackboneSpec, size: z.int().positive() })
    .describe('the untrained backbone that the targets are compared with'),
});
export const JoinInput = z.object({
  kind: z.literal('join'),
  embedKeys: z.array(z.string()).describe('result keys of the embed stages of one shard, one a prior'),
});
export const ReduceInput = z.object({
  kind: z.literal('reduce'),
  dataset: Digest,
  prior: Digest,
  k: z.int().positive().describe('target width'),
  blend: z
    .array(
      z.object({
        prior: Digest.optional().describe('absent in stages planned before it was told'),
        width: z.int().positive(),
        weight: z.number().positive(),
      }),
    )
    .optional()
    .describe('priors whose embeddings lie side by side, widths of those, and their shares of the variance'),
  embedKeys: z.array(z.string()).describe('result keys of the embed stages, in the order of the shards'),
});
export const TrainInput = z.object({
  kind: z.literal('train'),
  dataset: Digest,
  training: Training,
  reduceKey: z.string().nullable().describe('result key of the targets; null without ReLA'),
  continueFrom: Digest.optional().describe('checkpoint of the finished run that this one goes on with'),
  init: Digest.optional().describe("state dict with the backbone's first weights, safetensors"),
});
export const EvaluateInput = z.object({
  kind: z.literal('evaluate'),
  dataset: Digest,
  training: Training,
  trainKey: z.string(),
  task: EvaluateTask.optional(),
});
export const StageInput = z.discriminatedUnion('kind', [
  IngestInput,
  AdoptInput,
  AppraiseInput,
  ChooseInput,
  EmbedInput,
  JoinInput,
  ReduceInput,
  TrainInput,
  EvaluateInput,
]);
export type StageInput = z.infer<typeof StageInput>;
export type StageInputOf<K extends StageKind> = Extract<StageInput, { kind: K }>;

export const IngestResult = z.object({
  kind: z.literal('ingest'),
  manifest: Digest,
  bytes: z.int(),
  undecodable: z.object({
    count: z.int(),
    examples: z.array(z.object({ name: z.string(), reason: z.string() })),
  }),
  warnings: z.array(z.string()).optional(),
  seconds: z.number(),
});
export const AdoptResult = z.object({
  kind: z.literal('adopt'),
  prior: Prior.omit({ id: true, createdAt: true }),
  modelBytes: z.int().nonnegative(),
  seconds: z.number(),
});
export const AppraiseResult = Appraisal.extend({
  kind: z.literal('appraise'),
  width: z.int().positive(),
  embeddings: Digest.describe('float32 [images, m], little endian, of the sample'),
  seconds: z.number(),
});
export const ChooseResult = PriorChoice.extend({ kind: z.literal('choose'), seconds: z.number() });
export const EmbedResult = z.object({
  kind: z.literal('embed'),
  embeddings: Digest.describe('float32 [count, m], little endian'),
  statistics: Digest.describe(
    'float64, little endian: count, mean [m], upper triangle of the second moment about it [m(m + 1)/2]',
  ),
  count: z.int(),
  width: z.int(),
  seconds: z.number(),
});
export const JoinResult = z.object({
  kind: z.literal('join'),
  parts: z.array(Digest).describe('float32 [count, m] of each prior, little endian'),
  widths: z.array(z.int().positive()),
  statistics: Digest.describe('as of an embed stage, of the embeddings side by side'),
  count: z.int(),
  width: z.int(),
  seconds: z.number(),
  embedSeconds: z.number().describe('sum over the priors'),
});
export const ReduceResult = z.object({
  kind: z.literal('reduce'),
  targets: Digest.describe('JSON: { count, k, shards: [digest of float32 [count_i, k]] }'),
  k: z.int(),
  seconds: z.number(),
  embedSeconds: z.number().describe('sum over the shards, as spent when they were computed'),
});
/** A backbone in both forms. */
export const StoredWeights = z.object({
  model: Digest.describe('the backbone as ONNX'),
  modelBytes: z.int().nonnegative(),
  weights: Digest.describe("the backbone as a state dict under torchvision's or timm's names, safetensors"),
  weightsBytes: z.int().nonnegative(),
});
export type StoredWeights = z.infer<typeof StoredWeights>;

export const TrainResult = StoredWeights.extend({
  kind: z.literal('train'),
  width: z.int().positive().describe('d: floats a feature of the backbone'),
  seconds: z.number(),
  steps: z.int(),
  switchStep: z.int().nullable(),
  flops: z.number(),
  finalLoss: z.number().nullable(),
  waitShare: z.number(),
  engine: z.string(),
  kernels: Kernels,
  // Results of earlier versions have none of these.
  endedBy: EndedBy.optional(),
  checkpoint: z
    .object({ step: z.int(), digest: Digest, bytes: z.int() })
    .optional()
    .describe('of the last step, with all that is needed to go on'),
  returned: z.enum(['last', 'best']).optional().describe('which of the two `model` and `weights` are'),
  last: StoredWeights.optional(),
  best: StoredWeights.extend(ValidationPoint.shape).optional(),
  validations: z.array(ValidationPoint).optional(),
});
export const EvaluateResult = z.object({
  kind: z.literal('evaluate'),
  accuracy: z.number().nullable(),
  accuracyStd: z.number().nullable(),
  knn: z.number().nullable(),
  seconds: z.number(),
  // Results of earlier versions have none of these.
  task: EvaluateTask.optional().describe('as in the input'),
  finetune: FinetuneResult.omit({ share: true, accuracy: true, seconds: true })
    .optional()
    .describe('what fine-tuning took; its accuracy is `accuracy`'),
  features: z.array(FeatureFiles).optional(),
});
export const StageResult = z.discriminatedUnion('kind', [
  IngestResult,
  AdoptResult,
  AppraiseResult,
  ChooseResult,
  EmbedResult,
  JoinResult,
  ReduceResult,
  TrainResult,
  EvaluateResult,
]);
export type StageResult = z.infer<typeof StageResult>;
export type StageResultOf<K extends StageKind> = Extract<StageResult, { kind: K }>;

/** A stage as users see it. */
export const JobStage = z
  .object({
    id: z.string(),
    runId: z.string().nullable(),
    kind: StageKind,
    status: StageStatus,
    attempt: z.int().describe('tries so far; one that was handed back in good order does not count'),
    reused: z.boolean().describe('taken from an earlier result'),
    progress: Progress.nullable(),
    error: z.string().nullable(),
    deadAt: Timestamp.nullable().describe('given up after as many tries as it may have'),
    startedAt: Timestamp.nullable(),
    endedAt: Timestamp.nullable(),
  })
  .meta({ id: 'JobStage' });
export type JobStage = z.infer<typeof JobStage>;

/** A stage that was given up after as many tries as it may have, whatever it was given. */
export const DeadLetter = z
  .object({
    stageId: z.string(),
    jobId: z.string().nullable().describe('null of a stage that reads a dataset'),
    runId: z.string().nullable(),
    datasetId: z.string().nullable(),
    kind: StageKind,
    attempts: z.int(),
    worker: z.string().nullable().describe('host and process of the last try'),
    error: z.string().describe('of the last try'),
    at: Timestamp,
  })
  .meta({ id: 'DeadLetter' });
export type DeadLetter = z.infer<typeof DeadLetter>;

/** What travels through the queue: names only; the worker reads the rest from Postgres. */
export const StageMessage = z.object({
  stageId: z.string(),
  dispatch: z.int().positive().describe('how often the stage was sent; an older number is a stale message'),
});
export type StageMessage = z.infer<typeof StageMessage>;
