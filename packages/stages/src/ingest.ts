/** The ingest stage: reads a source once and writes it as shards and a manifest. */
import type { DatasetManifest, StageInputOf, StageResultOf } from '@rela/contracts';
import { type Bucket, ingest } from '@rela/datasets';
import { type StageTools, secondsSince } from './tools.js';

export interface IngestOptions {
  /** Folder that keeps downloaded recipes. */
  cacheFolder: string;
  /** Largest image that is decoded, in pixels. */
  maxPixels: number;
  /** A bucket by its name, for data sets that lie in one; absent: those are refused. */
  openBucket?(name: string): Bucket;
  /** Whether manifests may name addresses of private networks. Default: no. */
  allowPrivateAddresses?: boolean;
  onSource(text: string): void;
}

export async function ingestDataset(
  { dataset }: StageInputOf<'ingest'>,
  options: IngestOptions,
  { store, signal, progress }: StageTools,
): Promise<{ result: StageResultOf<'ingest'>; manifest: DatasetManifest }> {
  const started = performance.now();
  const ingested = await ingest({
    ...options,
    dataset,
    signal,
    write: (bytes) => store.write(bytes, { signal }),
    onProgress: (done, total) => progress(done, total ?? done, 'images'),
  });
  return {
    manifest: ingested.manifest,
    result: {
      kind: 'ingest',
      manifest: ingested.manifestDigest,
      bytes: ingested.bytes,
      undecodable: ingested.undecodable,
      warnings: ingested.warnings,
      seconds: secondsSince(started),
    },
  };
}
