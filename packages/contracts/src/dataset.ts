/** Datasets: immutable collections of images, labels optional, named by the digest of their manifest. */
import { z } from 'zod';
import { Digest, Name, Timestamp } from './identifiers.js';
import { Progress } from './progress.js';

const localPath = z.string().min(1).max(4096);

const BUCKET = /^s3:\/\/[^/?#]+(\/[^?#]*)?$/;

/** On the worker's file system, or in a bucket. */
const path = localPath
  .refine((text) => !text.startsWith('s3://') || BUCKET.test(text), {
    error: 'is not s3://bucket/key; server and region are settings of the service (S3_ENDPOINT, S3_REGION)',
  })
  .refine((text) => text.startsWith('s3://') || !/^[a-z][a-z0-9+.-]*:\/\//i.test(text), {
    error: 'is an address; files are read from paths that the worker sees, or from s3://bucket/key',
  });

const shards = z.union([path, z.array(path).min(1).max(10_000)]);
const SHARDS = 'a path, or several; a folder, {000..003} and * in the name stand for several';

const column = z.string().min(1).max(500);
const labelColumn = column.nullable().optional();

const idxSplit = z.strictObject({
  images: path.describe('IDX file of unsigned bytes [n, height, width], plain or gzip'),
  labels: path.optional().describe('IDX file of unsigned bytes [n], plain or gzip'),
});

const npySplit = z.strictObject({
  images: path.describe('npy file, uint8 [n, height, width] or [n, height, width, channels]'),
  labels: path.optional().describe('npy file of whole numbers [n]'),
});

export const RecipeName = z.enum(['mnist', 'fashion-mnist']);
export type RecipeName = z.infer<typeof RecipeName>;

/** Where the images are. Paths are seen by the worker that reads them; `s3://bucket/key` is read from S3. */
export const DatasetSource = z.discriminatedUnion('kind', [
  z
    .strictObject({
      kind: z.literal('recipe'),
      recipe: RecipeName,
      folder: localPath.optional().describe('folder that already holds the IDX files'),
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
    .describe('JPEG, PNG, WebP, GIF and TIFF files'),
  z
    .strictObject({
      kind: z.literal('cifar'),
      path: path.describe('folder of data_batch_1.bin … and test_batch.bin, or of train.bin and test.bin'),
      labels: z.enum(['fine', 'coarse']).optional().describe('which labels of CIFAR-100; fine where absent'),
    })
    .describe('CIFAR-10 or CIFAR-100, binary version'),
  z
    .strictObject({ kind: z.literal('npy'), train: npySplit, test: npySplit.optional() })
    .describe('NumPy arrays, a file each; no pickles'),
  z
    .strictObject({
      kind: z.literal('npz'),
      path: path.describe('npz archive'),
      arrays: z
        .strictObject({
          trainImages: column.optional(),
          trainLabels: column.optional(),
          testImages: column.optional(),
          testLabels: column.optional(),
        })
        .optional()
        .describe(
          'names of its arrays, where they are not x_train, y_train …, or train_images, train_labels …',
        ),
    })
    .describe('NumPy arrays in one archive; no pickles'),
  z
    .strictObject({
      kind: z.literal('webdataset'),
      train: shards.describe(SHARDS),
      test: shards.optional(),
      image: column
        .optional()
        .describe('ending of the images, such as "jpg"; absent: the first that is an image'),
      label: labelColumn.describe(
        'ending of the labels, "json.FIELD" for a field of a JSON file, null for none; absent: cls, else json.label',
      ),
    })
    .describe('WebDataset: tar archives, plain or gzip'),
  z
    .strictObject({
      kind: z.literal('parquet'),
      train: shards.describe(SHARDS),
      test: shards.optional(),
      image: column
        .optional()
        .describe(
          'column of the images: bytes, or structs {bytes, path}; absent: by the metadata, else "image"',
        ),
      label: labelColumn.describe(
        'column of the labels, null for none; absent: by the metadata, else "label"',
      ),
    })
    .describe('Parquet with the bytes of the images, as on the Hugging Face hub'),
  z
    .strictObject({
      kind: z.literal('csv'),
      path: path.describe('CSV file, plain or gzip; its first line names the columns'),
      image: column
        .optional()
        .describe(
          'column of addresses (http, https) or paths, relative to the file; absent: url, path, image, file, file_name or filename',
        ),
      label: labelColumn.describe('column of the labels, null for none; absent: "label" where it is there'),
      split: z
        .strictObject({
          column: column.optional().describe('absent: "split" where it is there'),
          train: column.optional().describe('value of the training rows; absent: "train"'),
          test: column.optional().describe('value of the test rows; absent: "test"'),
        })
        .optional()
        .describe('rows of other splits are passed over; without such a column every row is for training'),
      delimiter: z.string().length(1).optional().describe('absent: a comma'),
      download: z
        .strictObject({
          concurrency: z.int().min(1).max(64).default(16).describe('downloads at once'),
          timeoutSeconds: z.number().positive().max(600).default(30).describe('for one try'),
          retries: z.int().min(0).max(10).default(2).describe('further tries after one that failed'),
        })
        .default({ concurrency: 16, timeoutSeconds: 30, retries: 2 })
        .describe('how addresses are read; what cannot be had counts towards `tolerance`'),
    })
    .describe('a table of images, by address or path'),
]);
export type DatasetSource = z.infer<typeof DatasetSource>;

/** One number for all channels, or one a channel. */
const perChannel = (number: z.ZodNumber) => z.union([z.tuple([number]), z.tuple([number, number, number])]);

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
      .describe(
        'share of images that may fail to decode, or to be downloaded: they are counted, named and left out; above it the dataset fails',
      ),
    classes: z
      .array(z.string().min(1).max(500))
      .min(1)
      .max(100_000)
      .refine((names) => new Set(names).size === names.length, { error: 'names a class twice' })
      .optional()
      .describe('class names by label, where the source does not name its classes'),
    normalization: z
      .strictObject({
        mean: perChannel(z.number().min(0).max(1)),
        std: perChannel(z.number().gt(0).max(1)),
      })
      .optional()
      .describe(
        'mean and standard deviation that views are normalised with, of values scaled to [0, 1]; absent: of the training images. Three numbers make grey images colour ones',
      ),
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
  mean: z
    .array(z.number())
    .describe('per channel over the training images, or as requested; values scaled to [0, 1]'),
  std: z.array(z.number()),
  identical: z.literal(true).optional().describe('where all training images are the same'),
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
    mean: z.array(z.number()).nullable().describe('what views are normalised with, per channel'),
    std: z.array(z.number()).nullable(),
    bytes: z.int().nullable(),
    warnings: z.array(z.string()).describe('what a person should know of its images, once ready'),
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
