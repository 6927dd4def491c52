/** Artifacts: immutable blobs, named by the sha256 of their bytes, in a folder or in S3. */
export { type DataBucket, type DataServer, dataBuckets } from './data-buckets.js';
export { openStore } from './open.js';
export type { ArtifactStore, StoredArtifact, WriteOptions, Written } from './store.js';
