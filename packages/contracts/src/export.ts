/** Targets as files for trainers elsewhere. */
import { z } from 'zod';

const FileName = z.string().regex(/^[\w-]+\.(npy|json|parquet|tar)$/);

export const ExportFormat = z.enum(['npy', 'parquet', 'webdataset']);
export type ExportFormat = z.infer<typeof ExportFormat>;

/** What `targets.json` says of an export, beside its files. */
export const ExportManifest = z.object({
  version: z.literal(1),
  format: ExportFormat,
  /** Digests of the targets, the data set and the prior. */
  targets: z.string(),
  dataset: z.string(),
  prior: z.string(),
  /** Floats a target. */
  k: z.int(),
  /** Rows in all. */
  count: z.int(),
  /** Class names by label, null without labels. */
  classes: z.array(z.string()).nullable(),
  labels: z.boolean(),
  images: z.boolean(),
  shards: z.array(z.object({ count: z.int(), files: z.array(FileName) })),
});
export type ExportManifest = z.infer<typeof ExportManifest>;
