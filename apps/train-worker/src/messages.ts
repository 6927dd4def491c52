/** What the worker and its child process say to each other. The child computes and writes artifacts; the worker alone writes to Postgres. */
import {
  DatasetManifest,
  Digest,
  EvaluateInput,
  ProblemCode,
  RunMetric,
  StageResult,
  TargetsManifest,
  TrainInput,
} from '@rela/contracts';
import { ENGINE_NAMES } from '@rela/engine';
import { z } from 'zod';

const common = {
  /** Of what the child writes: its attempt. */
  owner: z.string(),
  manifest: DatasetManifest,
  storageUrl: z.string(),
  home: z.string(),
  engine: z.enum(ENGINE_NAMES),
  kernels: z.enum(['fixed', 'measured']),
  precision: z.enum(['fast', 'strict']),
  threads: z.int().positive(),
};

export const ToChild = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('train'),
    ...common,
    input: TrainInput,
    targets: TargetsManifest.nullable(),
    checkpoints: z.array(z.object({ step: z.int(), digest: Digest })),
    checkpointSeconds: z.number().positive(),
  }),
  z.object({
    type: z.literal('evaluate'),
    ...common,
    input: EvaluateInput,
    model: Digest,
    weights: Digest,
    /** Of the data set that a transfer looks at. */
    transfer: DatasetManifest.nullable(),
  }),
  /** Save what is worth saving and end. */
  z.object({ type: z.literal('stop') }),
]);
export type ToChild = z.infer<typeof ToChild>;
export type Work = Exclude<ToChild, { type: 'stop' }>;

export const FromChild = z.discriminatedUnion('type', [
  z.object({ type: z.literal('progress'), done: z.number(), total: z.number(), unit: z.string() }),
  z.object({ type: z.literal('metrics'), metrics: z.array(RunMetric) }),
  z.object({ type: z.literal('switch'), step: z.int() }),
  z.object({
    type: z.literal('checkpoint'),
    step: z.int(),
    digest: Digest,
    bytes: z.int(),
    final: z.boolean(),
  }),
  z.object({ type: z.literal('warning'), text: z.string() }),
  z.object({ type: z.literal('result'), result: StageResult }),
  z.object({ type: z.literal('stopped') }),
  z.object({ type: z.literal('failed'), code: ProblemCode.nullable(), detail: z.string() }),
]);
export type FromChild = z.infer<typeof FromChild>;
