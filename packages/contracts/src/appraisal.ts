/** What is known of a prior's targets before anything is trained on them, and the choice between several priors. */
import { z } from 'zod';
import { Digest, Reference } from './identifiers.js';

export const Gates = z
  .strictObject({
    minRank: z
      .int()
      .min(1)
      .max(4096)
      .default(2)
      .describe('refused below: directions in which the embeddings vary; with one, a target is a sign'),
    minEffectiveRank: z
      .number()
      .min(1)
      .default(1.5)
      .describe('flagged below: exp of the entropy of the shares of the variance'),
    maxOutlierShare: z
      .number()
      .gt(0)
      .max(1)
      .default(0.5)
      .describe('flagged above: share of the variance that one image in a hundred has'),
    minAgreement: z
      .number()
      .min(0)
      .max(1)
      .nullable()
      .default(null)
      .describe(
        'flagged below: how often a view is nearer to its own image than to another; null: what chance gives, 0.5, and three standard errors',
      ),
    flagged: z
      .enum(['warn', 'refuse'])
      .default('warn')
      .describe('whether what is flagged is used with a warning or refused'),
  })
  .meta({ id: 'Gates' });
export type Gates = z.infer<typeof Gates>;
export const DEFAULT_GATES: Gates = Gates.parse({});

/** Candidates: each is compared with each other. */
const MAX_CANDIDATES = 16;

export const AutoPrior = z
  .strictObject({
    auto: z.array(Reference).min(2).max(MAX_CANDIDATES).describe('candidates: ids, names or digests'),
    sample: z
      .int()
      .min(64)
      .max(4096)
      .default(1024)
      .describe('images that every candidate embeds, each with one augmented view'),
    by: z
      .enum(['score', 'knn'])
      .default('score')
      .describe('score: without labels; knn: accuracy of the nearest neighbours in the sample'),
    seed: z.int().nonnegative().max(0xffffffff).default(0).describe('draws the sample and its views'),
  })
  .meta({ id: 'AutoPrior' });
export type AutoPrior = z.infer<typeof AutoPrior>;

/** Parts: the targets come from all of their embeddings side by side. */
const MAX_PARTS = 8;

export const BlendPrior = z
  .strictObject({
    blend: z
      .array(
        z.strictObject({
          prior: Reference,
          weight: z
            .number()
            .positive()
            .max(1000)
            .default(1)
            .describe('share of the variance, before the PCA'),
        }),
      )
      .min(2)
      .max(MAX_PARTS)
      .describe('priors whose embeddings make the targets together'),
  })
  .meta({ id: 'BlendPrior' });
export type BlendPrior = z.infer<typeof BlendPrior>;

/** What the sample tells of one prior. */
export const Appraisal = z
  .object({
    name: z.string(),
    prior: Digest,
    images: z.int().describe('of the sample'),
    k: z.int().describe('width of the targets that were looked at'),
    rank: z.int().describe('directions in which the embeddings of the sample vary'),
    effectiveRank: z.number(),
    outlierShare: z.number().describe('share of the variance that one image in a hundred has'),
    repeatability: z.number().describe('1: an image embedded again is always nearest to itself; 0.5: chance'),
    agreement: z.number().describe('the same for an augmented view of the image'),
    signal: z
      .number()
      .describe('share of a target that an augmented view still tells, mean over its dimensions'),
    knn: z
      .number()
      .nullable()
      .describe('accuracy of 20 nearest neighbours in the sample; null without labels'),
    secondsPerImage: z.number(),
    refused: z.string().nullable().describe('why it carries nothing'),
    flags: z.array(z.string()).describe('what is suspicious'),
  })
  .meta({ id: 'Appraisal' });
export type Appraisal = z.infer<typeof Appraisal>;

export const Candidate = Appraisal.extend({
  score: z.number().nullable().describe('signal · (1 − distance); null where it was refused'),
  distance: z
    .number()
    .nullable()
    .describe(
      'of all candidates, itself included, from the 32 leading directions of this one after the best linear transport, weighted by their signal; 0: it tells all that they tell',
    ),
  reached: z
    .number()
    .nullable()
    .describe('share of its variance that features of the untrained backbone tell already, linearly'),
  alignment: z.number().nullable().describe('linear CKA with the other candidates, mean'),
}).meta({ id: 'Candidate' });
export type Candidate = z.infer<typeof Candidate>;

export const PriorChoice = z
  .object({
    prior: Digest,
    name: z.string(),
    reason: z.string(),
    by: AutoPrior.shape.by,
    candidates: z.array(Candidate).describe('best first'),
  })
  .meta({ id: 'PriorChoice' });
export type PriorChoice = z.infer<typeof PriorChoice>;
