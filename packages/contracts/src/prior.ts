/** Priors: ONNX models whose embeddings become the targets, with their preprocessing and output. */
import { z } from 'zod';
import { Digest, Name, Timestamp } from './identifiers.js';
import { BackboneSpec } from './training.js';

/** What is done to an image before the prior sees it (method.md, section 1, step 1). Part of the prior's digest. */
export const Preprocessing = z
  .strictObject({
    height: z.int().positive().max(4096).describe('input height in pixels'),
    width: z.int().positive().max(4096),
    channels: z
      .union([z.literal(1), z.literal(3)])
      .describe('channels that the input wants; data is converted'),
    layout: z.enum(['nchw', 'nhwc']),
    dtype: z.enum(['float32', 'uint8']),
    scale: z.enum(['unit', 'byte']).describe('values in [0, 1] or [0, 255] before normalising'),
    mean: z.array(z.number()).describe('subtracted per channel, in the scale above'),
    std: z.array(z.number().positive()).describe('divided by, per channel'),
  })
  .meta({ id: 'Preprocessing' });
export type Preprocessing = z.infer<typeof Preprocessing>;

/** Shards of a TF.js model have four mebibytes each; so many are more than one upload may have by default. */
const MAX_MODEL_FILES = 1000;

/** A plain name: no folder, no address. */
const FileName = z
  .string()
  .max(255)
  .regex(/^(?!\.{1,2}$)[^/\\:\0]+$/);

export const PriorSource = z.discriminatedUnion('kind', [
  z
    .strictObject({ kind: z.literal('artifact'), digest: Digest })
    .describe('an ONNX file uploaded to /v1/artifacts'),
  z
    .strictObject({ kind: z.literal('path'), path: z.string().min(1) })
    .describe('an ONNX file that the server can read, or the folder of a TF.js model'),
  z
    .strictObject({
      kind: z.literal('tfjs'),
      files: z
        .record(FileName, Digest)
        .refine((files) => Object.keys(files).length <= MAX_MODEL_FILES, {
          message: `has more than ${MAX_MODEL_FILES} files`,
        })
        .describe('digests by file name: model.json and the weight files that it names'),
    })
    .describe('a TF.js LayersModel or GraphModel, its files uploaded to /v1/artifacts'),
  z
    .strictObject({ kind: z.literal('model'), digest: Digest })
    .describe('a model that an earlier run trained'),
  z
    .strictObject({
      kind: z.literal('random'),
      backbone: BackboneSpec,
      imageSize: z.int().min(8).max(1024),
      channels: z.union([z.literal(1), z.literal(3)]),
      seed: z.int().nonnegative().default(0),
    })
    .describe("a freshly initialised backbone: the paper's control"),
]);
export type PriorSource = z.infer<typeof PriorSource>;

export const PriorCreate = z
  .strictObject({
    name: Name,
    source: PriorSource,
    output: z
      .string()
      .min(1)
      .optional()
      .describe('output or inner node to use; needed where the model has several outputs'),
    preprocessing: Preprocessing.partial()
      .optional()
      .describe('overrides what is read from the model; what cannot be read has to be given'),
  })
  .meta({ id: 'PriorCreate' });
export type PriorCreate = z.infer<typeof PriorCreate>;

export const Prior = z
  .object({
    id: z.string(),
    name: z.string(),
    digest: Digest.describe('of model, output and preprocessing together'),
    model: Digest.describe('the ONNX file'),
    source: PriorSource,
    input: z.string(),
    output: z.string(),
    pool: z.boolean().describe('the output is a feature map and is averaged over its positions'),
    batch: z.int().positive().nullable().describe('fixed batch size of the model, null where any'),
    width: z.int().positive().describe('m: floats an embedding'),
    preprocessing: Preprocessing,
    createdAt: Timestamp,
  })
  .meta({ id: 'Prior' });
export type Prior = z.infer<typeof Prior>;
