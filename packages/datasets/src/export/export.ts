/**
 * The efficient data set {(x_i, y_i)} of ReLA-D (arXiv 2405.14669) as files for trainers elsewhere. Memory: one shard of targets and
 * the rows that a format holds back; disk, beside the export: a copy of one shard of images where images are exported, and on the way
 * to a bucket one shard of the export.
 */
import { type ExportFormat, type ExportManifest, ProblemError } from '@rela/contracts';
import type { ExportPlace } from './export-place.js';
import { npy } from './npy.js';
import { parquet } from './parquet.js';
import { PreparedExport } from './prepared-export.js';
import { RowReader } from './rows.js';
import type { ShardFormat } from './shard-format.js';
import type { ExportSource } from './source.js';
import { webdataset } from './webdataset.js';

const FORMATS = { npy, parquet, webdataset } satisfies Record<ExportFormat, ShardFormat>;

export interface ExportOptions {
  place: ExportPlace;
  format: ExportFormat;
  /** Most rows a shard. */
  shardSize: number;
  images: boolean;
  /** Labels and names of the images; without them and without images nothing of the data set is read. */
  labels: boolean;
  /** Write over what is there. */
  force: boolean;
  signal?: AbortSignal;
  onProgress?: (done: number, total: number) => void;
}

/** What the export will hold; the same from run to run. */
function planOf(source: ExportSource, options: ExportOptions, count: number): ExportManifest {
  const total = Math.ceil(count / options.shardSize);
  const digits = (number: number) => String(number).padStart(5, '0');
  const { targets, dataset, prior, k } = source;
  const { format, labels, images, shardSize } = options;
  const classes = labels ? source.classes : null;
  return {
    version: 1,
    ...{ format, targets, dataset, prior, k, count, classes, labels, images },
    shards: Array.from({ length: total }, (_, number) => ({
      count: Math.min(shardSize, count - number * shardSize),
      files: FORMATS[format].files(digits(number), digits(total), { ...source, labels, images }),
    })),
  };
}

const FULL = new Set<unknown>(['ENOSPC', 'EDQUOT']);

function explain(error: unknown, folder: string, done: string): unknown {
  if (!(error instanceof Error && FULL.has((error as NodeJS.ErrnoException).code))) return error;
  return new ProblemError(
    'storage-full',
    `The disk of ${folder} is full. ${done} are written and stay: make room and give the same command again, and it goes on from there.`,
    undefined,
    { cause: error },
  );
}

/**
 * Writes the export, or what is left to write of it.
 * @throws ProblemError `conflict` where something would be written over, `storage-full`, `invalid-request` where the images fit no
 * array of the format npy, `invalid-data` where source and targets do not fit; what the source throws; the reason of `signal`
 */
export async function exportTargets(source: ExportSource, options: ExportOptions): Promise<ExportManifest> {
  const { place, format, shardSize, labels, images, signal, onProgress } = options;
  if (format === 'npy' && images && !source.imageSize)
    throw new ProblemError(
      'invalid-request',
      'The images of this data set differ in size and fit no array. Take the format parquet or webdataset, or leave the images out.',
    );
  const folder = await place.scratch();
  const reader = new RowReader(source, { labels, images, folder });
  const manifest = planOf(source, options, reader.count);
  let written = 0;
  let rowsDone = 0;
  async function* counted(number: number) {
    const from = number * shardSize;
    for await (const row of reader.rows(from, Math.min(from + shardSize, reader.count))) {
      signal?.throwIfAborted();
      yield row;
      onProgress?.(++rowsDone, reader.count);
    }
  }
  try {
    const prepared = await PreparedExport.begin(place, manifest, options.force);
    for (const [number, { count }] of manifest.shards.entries()) {
      if (await prepared.has(number)) {
        rowsDone += count;
        onProgress?.(rowsDone, reader.count);
      } else
        await prepared.add(number, (paths) =>
          FORMATS[format].write(paths, counted(number), count, { ...source, labels, images }),
        );
      written++;
    }
    await prepared.finish();
    return manifest;
  } catch (error) {
    throw explain(error, folder, `${written} of ${manifest.shards.length} shards`);
  } finally {
    await reader.close();
    await place.close();
  }
}
