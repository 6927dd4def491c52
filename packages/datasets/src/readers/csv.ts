/**
 * CSV manifests: a header, then a row an image, with an address (http, https) or a path, and columns of labels and splits where
 * there are such. The table is read twice: first to check its columns and number its labels, then for the images.
 */
import { posix } from 'node:path';
import { Readable } from 'node:stream';
import { nearest, ProblemError } from '@rela/contracts';
import { parse } from 'csv-parse';
import type { Files } from '../files/files.js';
import { folderOf, inside, isInBucket } from '../files/paths.js';
import { openUnpacked } from '../files/unpacked.js';
import type { WebFiles } from '../files/web-files.js';
import { DecodeError } from '../image.js';
import { Labels, MAX_CLASSES } from './labels.js';
import { readImage } from './read-image.js';
import type { Limit, Source, SourceImage, SourceSplit } from './source.js';

export interface CsvOptions {
  files: Files;
  web: WebFiles;
  path: string;
  /** Column of addresses and paths. Default: the first of `url`, `path`, `image`, `file`, `file_name`, `filename`. */
  image?: string | undefined;
  /** Default: `label`, where it is there. null: no labels. */
  label?: string | null | undefined;
  /** Default: the column `split`, where it is there; train and test. Rows of other splits are passed over. */
  split?: { column?: string | undefined; train?: string | undefined; test?: string | undefined } | undefined;
  delimiter?: string | undefined;
  classes?: readonly string[] | undefined;
  limit?: Limit | undefined;
  signal?: AbortSignal | undefined;
}

const IMAGE_COLUMNS = ['url', 'path', 'image', 'file', 'file_name', 'filename'];
const MAX_RECORD_BYTES = 2 ** 20;

interface Columns {
  image: number;
  label: number | null;
  split: { at: number; train: string; test: string } | null;
}

interface Row {
  image: string;
  label: string;
  split: 'train' | 'test' | null;
  /** Line of the file, from 1. */
  line: number;
}

/** @throws ProblemError `invalid-data` naming the column that is missing, with those that there are, or the line that is broken */
export async function openCsv(options: CsvOptions): Promise<Source> {
  const { path, limit } = options;
  const counts = { train: 0, test: 0 };
  const seen = new Set<string>();
  /** Labels of the rows that the limit leaves, and where each is first. */
  const taken = { train: new Map<string, string>(), test: new Map<string, string>() };
  const others = new Set<string>();
  let columns: Columns | null = null;
  for await (const row of rowsOf(options, (found, other) => {
    columns = found;
    if (other !== null && others.size < 10) others.add(other);
  })) {
    if (row.label !== '') {
      seen.add(row.label);
      const { split } = row;
      if (split && counts[split] < (limit?.[split] ?? counts[split] + 1) && !taken[split].has(row.label))
        taken[split].set(row.label, nameOf(row));
    }
    if (row.split) counts[row.split]++;
    if (seen.size > MAX_CLASSES)
      throw new ProblemError(
        'invalid-data',
        `${path} has more than ${MAX_CLASSES} different labels. Is the column of labels one? Name it in source.label, or null for none.`,
      );
  }
  if (counts.train === 0)
    throw new ProblemError(
      'invalid-data',
      `${path} has no training rows${others.size > 0 ? `: the splits of its rows are ${[...others].join(', ')}. Name the one to train on in source.split.train` : ''}.`,
    );
  const isLabelled = (columns as Columns | null)?.label !== null && seen.size > 0;
  const labels = isLabelled ? Labels.of(seen, options.classes).asNumbered() : null;
  const split = (name: 'train' | 'test') =>
    splitOf(options, labels, name, Math.min(limit?.[name] ?? counts[name], counts[name]), taken[name]);
  return {
    classes: labels?.classes ?? null,
    train: split('train'),
    test: counts.test > 0 ? split('test') : null,
    close: () => options.web.close(),
  };
}

function splitOf(
  options: CsvOptions,
  labels: Labels | null,
  split: 'train' | 'test',
  count: number,
  taken: ReadonlyMap<string, string>,
): SourceSplit {
  const numbers = labels && [...taken].map(([label, where]) => labels.number(label, where));
  return {
    count,
    ...(numbers ? { labels: new Set(numbers.filter((number) => number !== null)) } : {}),
    atOnce: options.web.concurrency,
    async *images(signal) {
      let left = count;
      if (left === 0) return;
      for await (const row of rowsOf(options)) {
        signal?.throwIfAborted();
        if (row.split !== split) continue;
        yield imageOf(row, options, labels, signal);
        if (--left === 0) return;
      }
    },
  };
}

const nameOf = ({ image, line }: Row) =>
  `line ${line} (${image.length > 200 ? `${image.slice(0, 200)}…` : image})`;

function imageOf(
  row: Row,
  { files, web, path }: CsvOptions,
  labels: Labels | null,
  signal: AbortSignal | undefined,
): SourceImage {
  const { image, label } = row;
  const name = nameOf(row);
  const read = async () => {
    if (image === '') throw new DecodeError('names no image');
    if (/^https?:\/\//i.test(image)) return web.get(image, signal);
    return readImage(files, placeOf(image, path));
  };
  return { name, label: labels?.number(label, name) ?? null, kind: 'file', read };
}

/** Relative paths start where the manifest lies. One in a bucket names no files of this machine. */
function placeOf(image: string, manifest: string): string {
  if (isInBucket(image)) return image;
  if (/^[a-z][a-z0-9+.-]+:\/\//i.test(image))
    throw new DecodeError(`is at ${image.split(':')[0]}:; http, https, s3 and paths are read`);
  if (!isInBucket(manifest)) return posix.isAbsolute(image) ? image : inside(folderOf(manifest), image);
  const relative = posix.normalize(image);
  if (posix.isAbsolute(relative) || relative.split('/').includes('..'))
    throw new DecodeError('leads out of the folder of the manifest, which lies in a bucket');
  return inside(folderOf(manifest), relative);
}

/** Rows one by one. `onColumns` is told where the columns are, and of each row that is in neither split, its split. */
async function* rowsOf(
  options: CsvOptions,
  onRow: (columns: Columns, otherSplit: string | null) => void = () => undefined,
): AsyncGenerator<Row> {
  const { files, path, delimiter = ',' } = options;
  const { chunks } = await openUnpacked(files, path);
  const parser = parse({
    bom: true,
    delimiter,
    info: true,
    max_record_size: MAX_RECORD_BYTES,
    skip_empty_lines: true,
    trim: true,
  });
  const source = Readable.from(iterate(chunks), { objectMode: false });
  source.once('error', (error) => parser.destroy(error));
  source.pipe(parser);
  let columns: Columns | null = null;
  try {
    for await (const parsed of parser) {
      options.signal?.throwIfAborted();
      const { record, info } = parsed as { record: string[]; info: { lines: number } };
      if (columns === null) {
        columns = columnsOf(record, options);
        onRow(columns, null);
        continue;
      }
      const row = rowOf(record, columns, info.lines);
      if (row.split === null) onRow(columns, record[columns.split?.at ?? -1] ?? '');
      yield row;
    }
  } catch (error) {
    if (error instanceof ProblemError || options.signal?.aborted) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new ProblemError('invalid-data', `${path} cannot be read as CSV: ${reason}.`, undefined, {
      cause: error,
    });
  } finally {
    source.destroy();
    parser.destroy();
    await chunks.return?.();
  }
  if (columns === null)
    throw new ProblemError('invalid-data', `${path} is empty: its first line names the columns.`);
}

async function* iterate(chunks: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  for (let next = await chunks.next(); !next.done; next = await chunks.next()) yield next.value;
}

function rowOf(record: string[], { image, label, split }: Columns, line: number): Row {
  const name = split && record[split.at];
  return {
    image: record[image]!,
    label: label === null ? '' : record[label]!,
    split: split === null || name === split.train ? 'train' : name === split.test ? 'test' : null,
    line,
  };
}

function columnsOf(names: string[], { path, image, label, split }: CsvOptions): Columns {
  const at = (wanted: string | undefined, fallbacks: string[], field: string): number | null => {
    const found = (wanted === undefined ? fallbacks : [wanted]).find((name) => names.includes(name));
    if (found !== undefined) return names.indexOf(found);
    if (wanted === undefined) return null;
    const meant = nearest(wanted, names);
    throw new ProblemError(
      'invalid-data',
      `${path} has no column "${wanted}"${meant ? `; did you mean "${meant}"?` : '.'} Columns: ${names.join(', ')}. Name the right one in source.${field}.`,
    );
  };
  const imageAt = at(image, IMAGE_COLUMNS, 'image');
  if (imageAt === null)
    throw new ProblemError(
      'invalid-data',
      `${path} has none of the columns ${IMAGE_COLUMNS.join(', ')}. Columns: ${names.join(', ')}. Name the one of the addresses or paths in source.image.`,
    );
  const splitAt = at(split?.column, ['split'], 'split.column');
  return {
    image: imageAt,
    label: label === null ? null : at(label, ['label'], 'label'),
    split:
      splitAt === null ? null : { at: splitAt, train: split?.train ?? 'train', test: split?.test ?? 'test' },
  };
}
