/** How a run trains: backbone, method, ReLA, optimizer, budget, evaluation. One schema for requests and for what is stored. */
import { z } from 'zod';
import { EvaluationSpec } from './evaluation.js';
import { Digest, Name, Reference } from './identifiers.js';
import { MethodSpec } from './methods.js';
import {
  BudgetSpec,
  ClipSpec,
  EmaSpec,
  OptimizerSpec,
  ScheduleSpec,
  ValidationSpec,
} from './optimization.js';
import { RelaChoice } from './rela.js';

export const BackboneSpec = z
  .strictObject({
    name: z
      .enum(['resnet18', 'resnet34', 'resnet50', 'resnet18-narrow', 'mobilenet-v2', 'vit-tiny', 'vit-small'])
      .describe('narrow: 16 to 128 channels, for small images'),
    stem: z
      .enum(['auto', 'modified', 'standard'])
      .default('auto')
      .describe(
        'modified: 3×3 stride-1 convolution and no max-pool (resnet), no stride in the first two places that have one (mobilenet-v2), patches of 4 instead of 16 px (vit-tiny, vit-small); auto takes it for images up to 64 px',
      ),
    pool: z
      .enum(['token', 'mean'])
      .optional()
      .describe(
        'features of a vision transformer: those of its class token (absent), or the mean over its patches',
      ),
  })
  .meta({ id: 'BackboneSpec' });
export type BackboneSpec = z.infer<typeof BackboneSpec>;

/** What a run's convolutions and matrix products were computed with, by shape, such as "32×16×16 128→256": a small record that repeats the run. */
export const Kernels = z
  .record(z.string(), z.string())
  .default({})
  .describe(
    'kernels that convolutions and matrix products got, by shape; empty where there was nothing to choose',
  );
export type Kernels = z.infer<typeof Kernels>;

/** Everything that decides the numbers of a run, in full. Two runs of equal training, data and targets give the same model. */
export const Training = z
  .strictObject({
    method: MethodSpec,
    backbone: BackboneSpec.default({ name: 'resnet18-narrow', stem: 'auto' }),
    rela: RelaChoice.nullable().default(null).describe('null: train without ReLA'),
    dataRatio: z
      .number()
      .gt(0)
      .max(1)
      .default(1)
      .describe('every epoch trains on a fresh random subset of ⌊ratio·n⌋ images'),
    epochs: z.int().positive().max(10000).default(100),
    batchSize: z.int().min(2).max(8192).default(128),
    imageSize: z
      .int()
      .min(8)
      .max(1024)
      .optional()
      .describe('side of the views in pixels; absent: the size of the images, needed where they differ'),
    optimizer: OptimizerSpec.default({
      name: 'adamw',
      learningRate: 1e-3,
      weightDecay: 0.01,
      beta1: 0.9,
      beta2: 0.999,
      epsilon: 1e-8,
    }),
    schedule: ScheduleSpec.optional().describe('the learning rate over time; absent: constant'),
    clip: ClipSpec.optional().describe('absent: gradients are taken as they are'),
    accumulate: z
      .int()
      .min(1)
      .max(1024)
      .optional()
      .describe(
        'a step adds up the gradients of so many equal parts of its batch, to need less memory; batch norm sees one part at a time',
      ),
    ema: EmaSpec.optional().describe("the slow network's momentum over time; absent: constant"),
    budget: BudgetSpec.optional().describe(
      'further bounds beside epochs; the first that is reached ends the run',
    ),
    validation: ValidationSpec.optional().describe('absent: all training images are trained on'),
    return: z
      .enum(['last', 'best'])
      .optional()
      .describe(
        'the weights that become the model: of the end, or best on the held-out images; absent: last',
      ),
    seed: z.int().nonnegative().max(0xffffffff).default(0),
    evaluation: EvaluationSpec.default({
      probe: { epochs: 100, learningRate: 3e-4, batchSize: 128 },
      knn: { k: 20, temperature: 0.07 },
    }),
  })
  .meta({ id: 'Training' });
export type Training = z.infer<typeof Training>;

export const InitSpec = z
  .strictObject({
    run: z.string().min(1).max(200).optional().describe('id of a run that has trained'),
    artifact: Digest.optional().describe(
      "an uploaded safetensors file: a state dict under torchvision's or timm's names",
    ),
  })
  .refine(({ run, artifact }) => (run === undefined) !== (artifact === undefined), {
    error: 'needs either a run or an artifact',
  })
  .meta({ id: 'InitSpec' });
export type InitSpec = z.infer<typeof InitSpec>;

export const RunSpec = Training.extend({
  name: Name,
  prior: Reference.optional().describe(
    "id, name or digest of this run's own prior, where it uses ReLA; absent: the job's. In a run that was accepted: its id",
  ),
  init: InitSpec.optional().describe("the backbone's first weights; absent: drawn from the seed"),
  continueFrom: z
    .string()
    .min(1)
    .max(200)
    .optional()
    .describe(
      'id of a finished run of equal training, data and prior that this one goes on with; epochs and budget count from the beginning of that run',
    ),
}).meta({ id: 'RunSpec' });
export type RunSpec = z.infer<typeof RunSpec>;
