/** Data sets: reading them, storing them as shards, drawing views of their images, and handing out batches of views. */
export { type ExportOptions, exportTargets } from './export/export.js';
export { bucketPlace, type ExportPlace, folderPlace } from './export/export-place.js';
export * as parquet from './export/parquet-table.js';
export type { ExportSource } from './export/source.js';
export type { Bucket } from './files/bucket.js';
export { type DecodedImage, DecodeError, type LabelledImage } from './image.js';
export { type Ingested, type IngestOptions, ingest, type Undecodable } from './ingest/ingest.js';
export { type Batch, createLoader, type Loader, type LoaderOptions } from './loader/loader.js';
export type { TargetShards } from './loader/messages.js';
export { openShard, type ShardReader } from './shards/shard.js';
export type { WriteArtifact } from './shards/shard-writer.js';
export { openSplit, type ResolveArtifact, type Split } from './shards/split.js';
export { createViewer, type Viewer, type ViewerOptions, viewFloats, viewKey } from './views/viewer.js';
