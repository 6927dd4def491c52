/** Buckets that data sets are read from and exports written to: any by its name, at the one server that the settings name. */
import type { S3Bucket } from './s3-bucket.js';

export interface DataServer {
  /** Absent: Amazon's own. */
  endpoint: string | null;
  region: string | null;
}

/** One bucket. All methods throw ProblemError `unavailable` where the server does not answer or refuses. */
export type DataBucket = Pick<S3Bucket, 'list' | 'size' | 'get' | 'put' | 'upload' | 'remove'>;

/** Opens buckets by name. Credentials come from the AWS SDK's usual places; nothing is asked before the first call. */
export function dataBuckets({ endpoint, region }: DataServer): (bucket: string) => DataBucket {
  const address = {
    endpoint: endpoint ?? undefined,
    region: region ?? undefined,
    pathStyle: endpoint !== null,
  };
  return (bucket) => {
    // The SDK is loaded by the first call, as in S3Store.
    let opened: Promise<S3Bucket> | null = null;
    const open = () => {
      opened ??= import('./s3-bucket.js').then(
        ({ S3Bucket }) => new S3Bucket({ ...address, bucket }, 'S3_ENDPOINT'),
      );
      return opened;
    };
    return {
      async *list(prefix) {
        yield* (await open()).list(prefix);
      },
      size: async (key) => (await open()).size(key),
      get: async (key, range) => (await open()).get(key, range),
      put: async (key, text) => (await open()).put(key, text),
      upload: async (key, bytes, body, signal) => (await open()).upload(key, bytes, body, signal),
      remove: async (key) => (await open()).remove(key),
    };
  };
}
