/** What the formats of an export have in common: a shard of rows becomes one or several files. */
import type { ExportRow } from './rows.js';
import type { ExportSource } from './source.js';

/** What the files of a shard hold. */
export interface Contents extends Pick<ExportSource, 'k' | 'classes' | 'channels' | 'imageSize'> {
  labels: boolean;
  images: boolean;
}

export interface ShardFormat {
  /** Names of the files of a shard. @param number such as `00003`, @param total such as `00012` */
  files(number: string, total: string, contents: Contents): string[];
  /** @param paths of those files @param count rows */
  write(paths: string[], rows: AsyncIterable<ExportRow>, count: number, contents: Contents): Promise<void>;
}
