/** Example bodies, shown at /docs. A test parses each with its schema, so they cannot rot. */
import {
  DatasetCreate,
  JobCreate,
  JobRetry,
  PriorCreate,
  ScheduleCreate,
  ScheduleUpdate,
  WebhookCreate,
} from '@rela/contracts';
import type { jsonSchemaTransformObject } from 'fastify-type-provider-zod';
import type { z } from 'zod';

type Document = ReturnType<typeof jsonSchemaTransformObject>;

export const examples: Record<string, { schema: z.ZodType; bodies: unknown[] }> = {
  DatasetCreate: {
    schema: DatasetCreate,
    bodies: [
      { name: 'fashion', source: { kind: 'recipe', recipe: 'fashion-mnist' }, limit: { train: 10000 } },
      {
        name: 'flowers',
        source: { kind: 'folder', path: '/data/flowers', testFraction: 0.1 },
        tolerance: 0.01,
      },
      {
        name: 'cifar',
        source: {
          kind: 'parquet',
          train: '/data/cifar10/train-*.parquet',
          test: '/data/cifar10/test-*.parquet',
        },
      },
      {
        name: 'imagenet',
        source: {
          kind: 'webdataset',
          train: 's3://shards/imagenet/train-{0000..1281}.tar',
          test: 's3://shards/imagenet/val-{00..49}.tar',
        },
        normalization: { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
      },
      {
        name: 'products',
        source: { kind: 'csv', path: '/data/products.csv', image: 'photo', label: 'category' },
        tolerance: 0.05,
      },
    ],
  },
  PriorCreate: {
    schema: PriorCreate,
    bodies: [
      {
        name: 'teacher',
        source: { kind: 'artifact', digest: `sha256:${'0'.repeat(64)}` },
        output: 'features',
        preprocessing: { height: 224, width: 224 },
      },
      {
        name: 'untrained',
        source: { kind: 'random', backbone: { name: 'resnet18-narrow' }, imageSize: 28, channels: 1 },
      },
    ],
  },
  WebhookCreate: {
    schema: WebhookCreate,
    bodies: [
      { url: 'https://example.com/hooks/rela' },
      {
        url: 'https://example.com/hooks/rela',
        events: ['job.running', 'job.failed', 'run.succeeded'],
        labels: { team: 'vision' },
        description: 'the chat of the vision team',
      },
    ],
  },
  JobRetry: { schema: JobRetry, bodies: [{}, { from: 'train' }] },
  ScheduleCreate: {
    schema: ScheduleCreate,
    bodies: [
      {
        name: 'nightly',
        cron: '30 2 * * 1-5',
        timeZone: 'Europe/Berlin',
        concurrency: 'forbid',
        labels: { team: 'vision' },
        job: {
          dataset: 'products',
          prior: 'teacher',
          runs: [{ name: 'accelerated', method: { name: 'byol' }, rela: {}, dataRatio: 0.5, epochs: 20 }],
        },
      },
    ],
  },
  ScheduleUpdate: { schema: ScheduleUpdate, bodies: [{ paused: true }, { cron: '@daily', missed: 'skip' }] },
  JobCreate: {
    schema: JobCreate,
    bodies: [
      {
        name: 'does the prior pay',
        dataset: 'fashion',
        prior: 'teacher',
        runs: [
          { name: 'accelerated', method: { name: 'byol' }, rela: {}, dataRatio: 0.5, epochs: 20 },
          { name: 'control', method: { name: 'byol' }, epochs: 20 },
        ],
      },
      {
        name: 'which prior is best',
        dataset: 'fashion',
        runs: [
          { name: 'accelerated', method: { name: 'byol' }, rela: 'recommended', epochs: 20 },
          { name: 'control', method: { name: 'byol' }, epochs: 20 },
        ],
        matrix: {
          seed: [1, 2, 3],
          prior: ['teacher', 'untrained'],
          dataRatio: [0.5, 1],
          exclude: [{ run: 'control', dataRatio: 0.5 }],
        },
      },
      {
        name: 'a student of a teacher that still trains',
        dataset: 'fashion',
        prior: { job: 'job_0192f3c1a2b37c4d8e9fa0b1c2d3e4f5', run: 'teacher', name: 'own teacher' },
        runs: [{ name: 'student', method: { name: 'byol' }, rela: 'recommended', epochs: 20 }],
      },
      {
        name: 'large batches',
        dataset: 'fashion',
        runs: [
          {
            name: 'lars',
            method: { name: 'byol' },
            epochs: 100,
            batchSize: 1024,
            accumulate: 8,
            optimizer: { name: 'lars', scaling: 'linear' },
            schedule: { name: 'cosine', warmupEpochs: 10 },
            ema: { schedule: 'cosine' },
            budget: { seconds: 36_000 },
            validation: { everyEpochs: 5, patience: 4 },
            return: 'best',
          },
        ],
      },
    ],
  },
};

/** The document with the examples at the request schemas of their names. */
export function addExamples(document: Document): Document {
  if (!('components' in document)) return document;
  const schemas: Record<string, object> = { ...document.components?.schemas };
  for (const [name, { bodies }] of Object.entries(examples)) {
    const component = `${name}Input`;
    const schema = schemas[component];
    if (schema) schemas[component] = { ...schema, examples: bodies };
  }
  return { ...document, components: { ...document.components, schemas } } as Document;
}
