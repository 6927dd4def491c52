/** Runs: one training each, with its cost, its result and its metrics. */
import { z } from 'zod';
import { FeatureFiles, FinetuneResult, TransferResult } from './evaluation.js';
import { Digest, Timestamp } from './identifiers.js';
import { RunStatus } from './job.js';
import { EndedBy, ValidationPoint } from './optimization.js';
import { Kernels, RunSpec } from './training.js';

/** What a run did and cost. Seconds are wall-clock seconds of the work itself, waiting in queues not counted. */
export const RunResult = z
  .object({
    accuracy: z
      .number()
      .nullable()
      .describe('linear probe on the test images, mean of the last three epochs, 0 to 1'),
    accuracyStd: z.number().nullable(),
    knn: z.number().nullable().describe('kNN accuracy on the test images, 0 to 1'),
    trainSeconds: z.number(),
    priorSeconds: z.number().describe("seconds of the prior's embedding and its reduction; 0 without ReLA"),
    evaluateSeconds: z.number().nullable(),
    steps: z.int(),
    switchStep: z
      .int()
      .nullable()
      .describe('first step with the method loss of its own; null where it never switched'),
    flops: z.number().describe('forward and backward multiply-adds times two of the training'),
    finalLoss: z.number().nullable(),
    waitShare: z.number().describe('share of the training time in which the step waited for data'),
    model: Digest.nullable().describe('the backbone as ONNX, at /v1/models/:digest'),
    weights: Digest.optional().describe(
      "the backbone as a state dict under torchvision's or timm's names, safetensors, at /v1/artifacts/:digest",
    ),
    engine: z
      .string()
      .describe(
        'what ran its steps: compiled, webgpu, cuda or eager; several, in order, where it went on with another',
      ),
    kernels: Kernels,
    endedBy: EndedBy.optional().describe('which bound ended the training'),
    returned: z.enum(['last', 'best']).optional().describe('which weights `model` has'),
    lastModel: Digest.optional().describe('weights of the last step as ONNX'),
    lastWeights: Digest.optional().describe('the same as a state dict'),
    best: ValidationPoint.extend({ model: Digest, weights: Digest.optional() })
      .optional()
      .describe('weights that were best on the held-out images; only with `validation`'),
    validations: z.array(ValidationPoint).optional(),
    transfer: z
      .array(TransferResult)
      .optional()
      .describe('one a data set of `evaluation.transfer`, once there'),
    finetune: z.array(FinetuneResult).optional().describe('one a share of the labels, once there'),
    features: z.array(FeatureFiles).optional().describe('one a split, with `evaluation.features`'),
  })
  .meta({ id: 'RunResult' });
export type RunResult = z.infer<typeof RunResult>;

export const Run = z
  .object({
    id: z.string(),
    jobId: z.string(),
    name: z.string(),
    status: RunStatus,
    spec: RunSpec,
    result: RunResult.nullable(),
    reused: z.boolean().describe('taken from an earlier run with equal data, targets and training'),
    checkpoint: z.object({ step: z.int(), createdAt: Timestamp }).nullable(),
    error: z.string().nullable(),
    createdAt: Timestamp,
    startedAt: Timestamp.nullable(),
    endedAt: Timestamp.nullable(),
  })
  .meta({ id: 'Run' });
export type Run = z.infer<typeof Run>;

export const RunMetric = z
  .object({
    step: z.int().positive(),
    epoch: z.int().nonnegative(),
    phase: z.enum(['rela', 'method']),
    loss: z.number(),
    rho: z.number().nullable().describe("the adaptive rule's ρ; null after the switch or without ReLA"),
    classifierAccuracy: z.number().nullable().describe('online classifier on the batch; null without labels'),
    seconds: z.number().describe('training seconds since the run began'),
  })
  .meta({ id: 'RunMetric' });
export type RunMetric = z.infer<typeof RunMetric>;
