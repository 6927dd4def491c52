/** How a trained backbone is judged: probe and kNN, on its own data set and others, fine-tuning with few labels, its features. */
import { z } from 'zod';
import { Digest, Reference } from './identifiers.js';

export const ProbeSpec = z.strictObject({
  epochs: z.int().positive().max(1000).default(100),
  learningRate: z.number().positive().default(3e-4),
  batchSize: z.int().positive().default(128),
});

export const KnnSpec = z.strictObject({
  k: z.int().positive().default(20),
  temperature: z.number().positive().default(0.07),
});

export const FinetuneSpec = z
  .strictObject({
    shares: z
      .array(z.number().gt(0).max(1))
      .min(1)
      .max(8)
      .default([0.01, 0.1, 1])
      .describe('shares of the labels, each a training of its own on as many images of every class'),
    epochs: z
      .int()
      .positive()
      .max(1000)
      .optional()
      .describe('absent: 60 for shares up to 1 %, else 30, as SimCLR'),
    learningRate: z
      .number()
      .positive()
      .max(100)
      .default(0.05)
      .describe('of a batch of 256; multiplied by batch / 256'),
    batchSize: z.int().min(2).max(8192).default(256).describe('at most all images of the share'),
  })
  .meta({ id: 'FinetuneSpec' });
export type FinetuneSpec = z.infer<typeof FinetuneSpec>;

export const EvaluationSpec = z
  .strictObject({
    probe: ProbeSpec.default({ epochs: 100, learningRate: 3e-4, batchSize: 128 }),
    knn: KnnSpec.default({ k: 20, temperature: 0.07 }),
    transfer: z
      .array(Reference)
      .min(1)
      .max(16)
      .optional()
      .describe('other data sets with labels and test images: probe and kNN on the features of each'),
    finetune: FinetuneSpec.optional().describe('absent: no fine-tuning'),
    features: z
      .enum(['npy', 'parquet'])
      .optional()
      .describe("keep the features of the run's data set, to download: npy, two files a split; parquet, one"),
  })
  .meta({ id: 'EvaluationSpec' });
export type EvaluationSpec = z.infer<typeof EvaluationSpec>;

/** What an evaluate stage does; absent in its input: probe and kNN on the run's own data set. */
export const EvaluateTask = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('transfer'),
    name: z.string().describe('of the data set, when the job was submitted'),
    dataset: Digest,
  }),
  z.object({ kind: z.literal('finetune'), share: z.number() }),
]);
export type EvaluateTask = z.infer<typeof EvaluateTask>;

export const TransferResult = z
  .object({
    dataset: z.string().describe('name of the data set, when the job was submitted'),
    digest: Digest,
    accuracy: z.number().describe('linear probe on its test images, mean of the last three epochs, 0 to 1'),
    accuracyStd: z.number(),
    knn: z.number(),
    seconds: z.number(),
  })
  .meta({ id: 'TransferResult' });
export type TransferResult = z.infer<typeof TransferResult>;

export const FinetuneResult = z
  .object({
    share: z.number(),
    images: z.int().describe('labelled images it was trained on'),
    accuracy: z.number().describe('on the test images after the last epoch, 0 to 1'),
    epochs: z.int(),
    batchSize: z.int(),
    steps: z.int(),
    flops: z.number().describe('forward and backward multiply-adds times two of the training'),
    seconds: z.number(),
  })
  .meta({ id: 'FinetuneResult' });
export type FinetuneResult = z.infer<typeof FinetuneResult>;

const table = { split: z.enum(['train', 'test']), rows: z.int(), width: z.int() };

/** The features of one split as files, at /v1/artifacts/:digest. */
export const FeatureFiles = z
  .union([
    z.object({
      // Results of earlier versions have none.
      format: z.literal('npy').optional(),
      ...table,
      features: Digest.describe('npy, float32 [rows, width], in the order of the data set'),
      featuresBytes: z.int(),
      labels: Digest.describe('npy, int32 [rows]; −1: not labelled'),
      labelsBytes: z.int(),
    }),
    z.object({
      format: z.literal('parquet'),
      ...table,
      features: Digest.describe(
        'columns index, label (null: not labelled; absent without classes) and feature, a list of width float32',
      ),
      featuresBytes: z.int(),
    }),
  ])
  .meta({ id: 'FeatureFiles' });
export type FeatureFiles = z.infer<typeof FeatureFiles>;
