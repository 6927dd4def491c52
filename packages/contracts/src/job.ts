/** Jobs: what a client submits. One dataset, one prior where ReLA is used, and runs, or targets to train with elsewhere. */
import { z } from 'zod';
import { Appraisal, AutoPrior, BlendPrior, DEFAULT_GATES, Gates, PriorChoice } from './appraisal.js';
import { After, JobDependency, RunPrior } from './dependency.js';
import { Digest, Name, Reference, Timestamp } from './identifiers.js';
import { MAX_RUNS, Matrix } from './matrix.js';
import { Problem } from './problem.js';
import { Progress } from './progress.js';
import { RunSpec } from './training.js';

export const RunStatus = z.enum(['queued', 'running', 'succeeded', 'failed', 'cancelled']);
export type RunStatus = z.infer<typeof RunStatus>;

/**
 * A waiting job is accepted and nothing of it starts, until what it waits for of other jobs has succeeded. A paused one keeps what it has
 * done; what ran goes on from its last checkpoint when the job is resumed.
 */
export const JobStatus = z.enum([
  'queued',
  'waiting',
  'running',
  'paused',
  'succeeded',
  'failed',
  'cancelled',
]);
export type JobStatus = z.infer<typeof JobStatus>;

/** Nothing more happens to such a job, unless somebody sends it again. */
export const hasEnded = (status: JobStatus): boolean =>
  status === 'succeeded' || status === 'failed' || status === 'cancelled';

export const PriorRequest = z.union([Reference, AutoPrior, BlendPrior, RunPrior]);
export type PriorRequest = z.infer<typeof PriorRequest>;

export const TargetsRequest = z.strictObject({
  k: z
    .int()
    .min(1)
    .max(65_536)
    .optional()
    .describe('floats a target; absent: all that the prior gives, or one less than there are images'),
});

const LABEL = /^[\w.:@/-]+$/;
const labelText = (what: string, most: number) =>
  z.string().min(1).max(most).regex(LABEL, `the ${what} of a label has letters, digits and . : @ / _ - only`);

/** By which jobs are found again, such as { team: "vision", ticket: "ML-12" }. */
export const Labels = z
  .record(labelText('key', 63), labelText('value', 200), {
    error: ({ code }) =>
      code === 'invalid_key' ? 'is no key: up to 63 letters, digits and . : @ / _ -' : undefined,
  })
  .refine((labels) => Object.keys(labels).length <= 32, { error: 'has more than 32 labels' })
  .meta({ id: 'Labels' });
export type Labels = z.infer<typeof Labels>;

/** `key=value`, as a list of jobs is asked for it. */
export const LabelQuery = z
  .string()
  .max(264)
  .transform((text, context) => {
    const at = text.indexOf('=');
    const label = Labels.safeParse({ [text.slice(0, at)]: text.slice(at + 1) });
    if (at > 0 && label.success) return label.data;
    context.addIssue({ code: 'custom', message: 'has to be key=value, such as team=vision' });
    return z.NEVER;
  });

/** What a job allows each of its stages. */
export const JobLimits = z
  .strictObject({
    attempts: z
      .int()
      .min(1)
      .max(100)
      .optional()
      .describe('tries of a stage before it fails; absent: as many as the service gives (MAX_ATTEMPTS)'),
    attemptSeconds: z
      .number()
      .positive()
      .max(30 * 24 * 3600)
      .optional()
      .describe(
        'longest time of one try; one that takes longer is stopped and counts as failed, and the next goes on from its checkpoint',
      ),
  })
  .meta({ id: 'JobLimits' });
export type JobLimits = z.infer<typeof JobLimits>;

/** Of a job against others of its tenant. */
export const Priority = z
  .int()
  .min(-100)
  .max(100)
  .describe('of the jobs of a tenant that wait, those of the highest go first; no other tenant waits for it');

export const JobCreate = z
  .strictObject({
    name: Name.optional(),
    dataset: Reference.describe('id, name or digest of a dataset that is ready'),
    prior: PriorRequest.optional().describe(
      'id, name or digest of a prior, candidates to choose from, several to blend, or a run of another job, whose model becomes the prior when it has succeeded; needed where a run uses ReLA, and for targets',
    ),
    gates: Gates.default(DEFAULT_GATES).describe('when a prior is refused or flagged before it is used'),
    runs: z
      .array(RunSpec)
      .max(MAX_RUNS, {
        error: ({ input }) =>
          `has ${(input as unknown[]).length} runs, and a job may have ${MAX_RUNS}; submit the others in another one`,
      })
      .default([])
      .describe('may be left out where targets are asked for'),
    matrix: Matrix.optional(),
    after: After,
    targets: TargetsRequest.optional().describe(
      'make targets whether a run of this job uses them or not, to train with them elsewhere',
    ),
    labels: Labels.default({}).describe('by which it is found again: GET /v1/jobs?label=key=value'),
    limits: JobLimits.default({}),
    priority: Priority.default(0),
    reuse: z
      .boolean()
      .default(true)
      .describe('take results that exist already instead of computing them again'),
  })
  .meta({ id: 'JobCreate' });
export type JobCreate = z.infer<typeof JobCreate>;

/** The same once its matrix is multiplied out. */
export const JobRequest = JobCreate.omit({ matrix: true });
export type JobRequest = z.infer<typeof JobRequest>;

export const JobRetry = z
  .strictObject({
    from: z
      .string()
      .max(64)
      .optional()
      .describe(
        'id of a stage, or a kind such as "train": that, and all that builds on it, is made again from the start and without earlier results. Absent: what failed or was cancelled goes on from its checkpoints',
      ),
  })
  .meta({ id: 'JobRetry' });
export type JobRetry = z.infer<typeof JobRetry>;

/** Most jobs that one request may submit. */
export const LARGEST_BATCH = 10_000;

export const JobRunSummary = z.object({
  id: z.string(),
  name: z.string(),
  status: RunStatus,
});

export const StageSummary = z.object({
  kind: z.enum(['ingest', 'adopt', 'appraise', 'choose', 'embed', 'join', 'reduce', 'train', 'evaluate']),
  runId: z.string().nullable(),
  total: z.int(),
  succeeded: z.int(),
  reused: z.int().describe('of those, taken from an earlier result'),
  failed: z.int(),
  progress: Progress.nullable().describe('of the stages under way, added up'),
});
export type StageSummary = z.infer<typeof StageSummary>;

export const Job = z
  .object({
    id: z.string(),
    name: z.string().nullable(),
    status: JobStatus,
    datasetId: z.string(),
    priorId: z
      .string()
      .nullable()
      .describe(
        'of the runs that have none of their own in their `spec`; null also while it is being chosen, of a blend, and where each of several is the prior of some runs alone',
      ),
    blend: z
      .array(z.object({ prior: Digest, weight: z.number() }))
      .nullable()
      .describe(
        'priors whose embeddings make the targets together, as a request names them; null of one prior',
      ),
    appraisals: z.array(Appraisal).describe('what a sample of the images tells of the priors'),
    choice: PriorChoice.nullable().describe('which of several candidates is used, and why'),
    warnings: z.array(z.string()),
    waitsFor: z.array(JobDependency).describe('what of other jobs it starts after'),
    labels: Labels,
    limits: JobLimits,
    priority: Priority,
    scheduleId: z.string().nullable().describe('schedule that made it; null of a job that was submitted'),
    dueAt: Timestamp.nullable().describe('the time for which its schedule made it'),
    runs: z.array(JobRunSummary),
    stages: z.array(StageSummary).describe('grouped by kind and run, in the order in which they run'),
    error: z.string().nullable(),
    createdAt: Timestamp,
    startedAt: Timestamp.nullable(),
    endedAt: Timestamp.nullable(),
  })
  .meta({ id: 'Job' });
export type Job = z.infer<typeof Job>;

/** What became of one line of a batch. */
export const BatchAnswer = z
  .object({
    line: z.int().positive().describe('of the body, empty ones counted'),
    status: z.int().describe('202, or that of the problem'),
    job: Job.optional(),
    problem: Problem.optional(),
  })
  .meta({ id: 'BatchAnswer' });
export type BatchAnswer = z.infer<typeof BatchAnswer>;
