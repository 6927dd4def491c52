/** Targets: ReLA-D's result for a data set, a prior and a width k, made once and used by every later run, here or elsewhere. */
import { z } from 'zod';
import { Digest, Timestamp } from './identifiers.js';
import { PageQuery } from './page.js';
import { StageStatus } from './stage.js';

/** What the digest of targets stands for. */
export const TargetsManifest = z.object({
  version: z.literal(1),
  /** k: floats a target. */
  k: z.int().positive(),
  count: z.int().nonnegative(),
  /** float32 [count, k], little endian, in the order of the data set's shards. */
  shards: z.array(z.object({ digest: Digest, count: z.int().nonnegative() })),
});
export type TargetsManifest = z.infer<typeof TargetsManifest>;

/** Targets as one job makes them; another job that needs the same ones is given the same digest. */
export const Targets = z
  .object({
    id: z.string().describe('of the stage that makes them'),
    jobId: z.string(),
    runIds: z.array(z.string()).describe('runs that train with them'),
    datasetId: z.string(),
    dataset: Digest.describe('digest of the data set'),
    prior: Digest.describe('digest of the prior'),
    k: z.int().positive().describe('floats a target'),
    count: z.int().nonnegative().describe('training images, each of which has a target'),
    status: StageStatus,
    digest: Digest.nullable().describe('digest of their manifest (`TargetsManifest`), once they are made'),
    error: z.string().nullable(),
    createdAt: Timestamp,
    endedAt: Timestamp.nullable(),
  })
  .meta({ id: 'Targets' });
export type Targets = z.infer<typeof Targets>;

export const TargetsQuery = PageQuery.extend({
  job: z.string().max(200).optional().describe('only those of this job'),
  run: z.string().max(200).optional().describe('only those that this run trains with'),
  digest: Digest.optional().describe('only those with this digest'),
});
export type TargetsQuery = z.infer<typeof TargetsQuery>;
