/** Artifacts: immutable blobs, named by the sha256 of their bytes, in a folder or in S3. */
export { openStore } from './open.js';
export type { ArtifactStore, WriteOptions, Written } from './store.js';
