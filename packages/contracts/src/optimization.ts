/** How the weights of a run move: optimizer, learning rate over time, clipping, moving averages, and when it is enough. */
import { z } from 'zod';

const shared = {
  scaling: z
    .enum(['none', 'linear'])
    .optional()
    .describe('linear: the learning rate is multiplied by batchSize / 256; absent: none'),
};
const decay = z
  .enum(['all', 'weights'])
  .optional()
  .describe('what decays: all tensors, or weights alone, without biases and norms; absent: all');

export const OptimizerSpec = z
  .discriminatedUnion(
    'name',
    [
      z
        .strictObject({
          name: z.literal('adamw').default('adamw'),
          learningRate: z.number().positive().max(10).default(1e-3),
          weightDecay: z.number().min(0).max(1).default(0.01),
          beta1: z.number().min(0).max(0.9999).default(0.9),
          beta2: z.number().min(0).max(0.99999).default(0.999),
          epsilon: z.number().positive().default(1e-8),
          decay,
          ...shared,
        })
        .describe('AdamW (Loshchilov and Hutter 2019); taken where no name is given'),
      z
        .strictObject({
          name: z.literal('sgd'),
          learningRate: z.number().positive().max(1000).default(0.05),
          weightDecay: z.number().min(0).max(1).default(1e-4),
          momentum: z.number().min(0).max(0.99999).default(0.9),
          nesterov: z.boolean().default(false),
          decay,
          ...shared,
        })
        .describe('stochastic gradient descent with momentum, as torch.optim.SGD'),
      z
        .strictObject({
          name: z.literal('lars'),
          learningRate: z.number().positive().max(1000).default(0.2),
          weightDecay: z.number().min(0).max(1).default(1.5e-6),
          momentum: z.number().min(0).max(0.99999).default(0.9),
          trust: z.number().positive().max(1).default(1e-3).describe('trust coefficient η'),
          ...shared,
        })
        .describe('LARS (You et al. 2017), biases and norms without decay and adaptation; defaults of BYOL'),
    ],
    { unionFallback: true },
  )
  .meta({ id: 'OptimizerSpec' });
export type OptimizerSpec = z.infer<typeof OptimizerSpec>;

export const ScheduleSpec = z
  .strictObject({
    name: z.enum(['constant', 'cosine', 'linear']).default('constant'),
    warmupEpochs: z
      .number()
      .min(0)
      .max(10000)
      .default(0)
      .describe('the learning rate rises in equal steps from 0 over these epochs; parts of one are allowed'),
    final: z
      .number()
      .min(0)
      .max(1)
      .default(0)
      .describe('cosine and linear: share of the learning rate that is left at the end'),
  })
  .meta({ id: 'ScheduleSpec' });
export type ScheduleSpec = z.infer<typeof ScheduleSpec>;

export const ClipSpec = z
  .strictObject({
    norm: z.number().positive().describe('longest gradient, over all trained tensors together'),
  })
  .meta({ id: 'ClipSpec' });
export type ClipSpec = z.infer<typeof ClipSpec>;

export const EmaSpec = z
  .strictObject({
    base: z
      .number()
      .min(0)
      .max(1)
      .optional()
      .describe("momentum of the method's slow network at the start; absent: the method's own"),
    schedule: z
      .enum(['constant', 'cosine'])
      .default('constant')
      .describe('cosine: from the base to 1 over the run, as in BYOL and DINO'),
  })
  .meta({ id: 'EmaSpec' });
export type EmaSpec = z.infer<typeof EmaSpec>;

/** Of both phases together, the prior's cost not included. */
export const BudgetSpec = z
  .strictObject({
    steps: z.int().positive().optional().describe('steps of the optimizer'),
    images: z.int().positive().optional().describe('images trained on, every time one is shown counted'),
    bytes: z
      .int()
      .positive()
      .optional()
      .describe(
        'of the data set that are read for steps, every time an image is shown counted, each as the mean of the training images',
      ),
    seconds: z
      .number()
      .positive()
      .optional()
      .describe('training seconds; such a run does not repeat bit for bit'),
    flops: z.number().positive().optional().describe('of forward and backward passes; never more than this'),
  })
  .refine((budget) => Object.values(budget).some((bound) => bound !== undefined), {
    error: 'names no bound; give steps, images, bytes, seconds or flops, or leave it out',
  })
  .meta({ id: 'BudgetSpec' });
export type BudgetSpec = z.infer<typeof BudgetSpec>;

export const ValidationSpec = z
  .strictObject({
    fraction: z
      .number()
      .gt(0)
      .max(0.5)
      .default(0.1)
      .describe('share of the training images that is held out, by the seed; never the test images'),
    everyEpochs: z
      .int()
      .positive()
      .default(1)
      .describe('epochs between two looks; there is one at the end too'),
    k: z.int().positive().max(1000).default(20).describe('neighbours with a vote'),
    patience: z
      .int()
      .positive()
      .optional()
      .describe('the run ends after so many looks in a row that were no better than the best'),
  })
  .meta({ id: 'ValidationSpec' });
export type ValidationSpec = z.infer<typeof ValidationSpec>;

/** Which bound ended a training. */
export const EndedBy = z.enum(['epochs', 'steps', 'images', 'bytes', 'seconds', 'flops', 'patience']);
export type EndedBy = z.infer<typeof EndedBy>;

/** One look at the held-out images. */
export const ValidationPoint = z
  .object({
    step: z.int().positive(),
    epoch: z.number().describe('epochs done, parts of one counted'),
    accuracy: z.number().describe('kNN accuracy on the held-out images, 0 to 1'),
  })
  .meta({ id: 'ValidationPoint' });
export type ValidationPoint = z.infer<typeof ValidationPoint>;
