/** Where an export goes, as a person names it: a folder, or `s3://bucket/prefix`. */
import { resolve } from 'node:path';
import { bucketPlace, type ExportPlace, folderPlace } from '@rela/datasets';
import { type DataServer, dataBuckets } from '@rela/storage';
import { UsageError } from '../output/failure.js';

/** @param server of the buckets @throws UsageError where the address names no bucket */
export function openExportPlace(output: string, server: DataServer, signal: AbortSignal): ExportPlace {
  if (!output.startsWith('s3:')) return folderPlace(resolve(output));
  const [, bucket, path = ''] = /^s3:\/\/([^/]+)\/?(.*)$/.exec(output) ?? [];
  if (bucket === undefined) throw new UsageError(`"${output}" names no bucket. It reads s3://bucket/prefix.`);
  const prefix = path.replace(/^\/+|\/+$/g, '');
  const name = `s3://${bucket}${prefix && `/${prefix}`}`;
  return bucketPlace({ name, prefix, bucket: dataBuckets(server)(bucket) }, signal);
}
