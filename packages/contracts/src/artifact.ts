/** Artifacts: blobs in storage, addressed by their sha256. */
import { z } from 'zod';
import { Digest, Timestamp } from './identifiers.js';

export const Artifact = z
  .object({ digest: Digest, bytes: z.int().nonnegative(), mediaType: z.string(), createdAt: Timestamp })
  .meta({ id: 'Artifact' });
export type Artifact = z.infer<typeof Artifact>;

/** Media types of the files that stages keep for users, by the extension of their names. */
export const FILE_TYPES = {
  npy: 'application/x-npy',
  onnx: 'application/onnx',
  parquet: 'application/vnd.apache.parquet',
  safetensors: 'application/x-safetensors',
} as const;
