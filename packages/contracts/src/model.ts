/** Models: trained backbones as ONNX, downloaded by digest. */
import { z } from 'zod';
import { Digest, Timestamp } from './identifiers.js';

export const Model = z
  .object({
    digest: Digest,
    runId: z.string().nullable(),
    bytes: z.int(),
    width: z.int().describe('d: floats a feature'),
    createdAt: Timestamp,
  })
  .meta({ id: 'Model' });
export type Model = z.infer<typeof Model>;
