/** What an export reads: targets and the shards of the images that they belong to, wherever these lie. */
import type { ShardReference } from '@rela/contracts';

export interface ExportSource {
  /** Digests of what the export is made of. */
  targets: string;
  dataset: string;
  prior: string;
  /** Floats a target. */
  k: number;
  /** Class names by label, null without labels. */
  classes: string[] | null;
  channels: 1 | 3;
  /** null where images differ in size. */
  imageSize: { height: number; width: number } | null;
  /** The shards of the images, each with the digest of its targets, float32 [count, k]. */
  shards: { images: ShardReference; targets: string }[];
  /** The whole artifact. */
  read(digest: string): Promise<Uint8Array>;
  /** The artifact from its first byte on; the reader stops when it has enough. */
  open(digest: string): Promise<AsyncIterable<Uint8Array>>;
  /** The artifact as a file of that path. */
  download(digest: string, path: string): Promise<unknown>;
}
