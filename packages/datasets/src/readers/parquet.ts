/**
 * Parquet with image bytes in a column, as the Hugging Face hub keeps data sets: a column of structs {bytes, path}, or of plain
 * bytes, and one of labels, whose names stand in the file's metadata. One row group is in memory at a time.
 */
import { basename } from 'node:path/posix';
import { nearest, ProblemError } from '@rela/contracts';
import {
  type AsyncBuffer,
  type Compressors,
  type FileMetaData,
  parquetMetadataAsync,
  parquetReadObjects,
  parquetSchema,
  type SchemaTree,
} from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { matchFiles } from '../files/match.js';
import { DecodeError } from '../image.js';
import { featuresOf, type HubFeatures } from './hub-features.js';
import { Labels, MAX_CLASSES } from './labels.js';
import { MAX_FILE_BYTES } from './read-image.js';
import type { ShardOptions, Source, SourceImage, SourceSplit } from './source.js';

export interface ParquetOptions extends ShardOptions {
  signal?: AbortSignal | undefined;
}

const MAX_GROUP_BYTES = 2 ** 30;
const ENDINGS = ['.parquet'];

/**
 * `image` is a column; absent: the one that the metadata call an image, else `image`. `label` is one; absent: the one that the metadata
 * call one, else `label` where it is there.
 * @throws ProblemError `invalid-data` naming file and column, with the columns that there are
 */
export async function openParquet(options: ParquetOptions): Promise<Source> {
  const { files, train, test, limit } = options;
  const open = async (patterns: string | readonly string[]) => {
    const opened: ParquetFile[] = [];
    for (const path of await matchFiles(files, patterns, ENDINGS)) opened.push(await openFile(path, options));
    return opened;
  };
  const trainFiles = await open(train);
  const testFiles = test === undefined ? null : await open(test);
  const labels = await labelsOf([...trainFiles, ...(testFiles ?? [])], options);
  const split = async (opened: readonly ParquetFile[], most: number | undefined): Promise<SourceSplit> => {
    const rows = rowsOf(opened, labels, most);
    // Where nothing is tested, nothing depends on what is known beforehand.
    return labels && testFiles
      ? { ...rows, labels: await numbersOf(opened, labels, rows.count ?? 0, options.signal) }
      : rows;
  };
  return {
    classes: labels?.classes ?? null,
    train: await split(trainFiles, limit?.train),
    test: testFiles && (await split(testFiles, limit?.test)),
  };
}

/** The labels that occur in the first `count` rows: their column is read, and no image. */
async function numbersOf(
  opened: readonly ParquetFile[],
  labels: Labels,
  count: number,
  signal: AbortSignal | undefined,
): Promise<ReadonlySet<number>> {
  const found = new Set<number>();
  let left = count;
  for (const one of opened) {
    let number = 0;
    for await (const rows of groupsOf(one, [one.label!.column], () => left)) {
      signal?.throwIfAborted();
      for (const row of rows) {
        const label = labelOf(row, one, labels, rowName(one, number++));
        if (label !== null) found.add(label);
      }
      left -= rows.length;
    }
  }
  return found;
}

const rowName = ({ path }: ParquetFile, number: number) => `${basename(path)}#${number}`;

function labelOf(row: Row, { label }: ParquetFile, labels: Labels | null, where: string): number | null {
  const raw = label && (row[label.column] as string | number | bigint | boolean | null);
  return labels?.number(typeof raw === 'boolean' ? Number(raw) : raw, where) ?? null;
}

interface ParquetFile {
  path: string;
  file: AsyncBuffer;
  metadata: FileMetaData;
  image: string;
  /** Whether the image column holds structs {bytes, path}. */
  isStruct: boolean;
  label: { column: string; isText: boolean; names: string[] | null } | null;
}

async function openFile(path: string, options: ParquetOptions): Promise<ParquetFile> {
  const { files } = options;
  const file: AsyncBuffer = {
    byteLength: await files.size(path),
    async slice(start, end) {
      const bytes = await files.read(path, start, end ?? file.byteLength);
      return new Uint8Array(bytes).buffer;
    },
  };
  const metadata = await readable(path, () => parquetMetadataAsync(file));
  const columns = parquetSchema(metadata).children;
  const features = featuresOf(metadata);
  const image = imageColumn(path, columns, features, options.image);
  for (const { columns: chunks } of metadata.row_groups) {
    const bytes = chunks.reduce((sum, { meta_data }) => {
      const isRead = meta_data?.path_in_schema[0] === image.element.name;
      return sum + (isRead ? Number(meta_data.total_uncompressed_size) : 0);
    }, 0);
    if (bytes > MAX_GROUP_BYTES)
      throw new ProblemError(
        'invalid-data',
        `${path} has row groups of ${bytes} bytes of images, and one is read into memory at once: up to ${MAX_GROUP_BYTES}. Write smaller ones (row_group_size).`,
      );
  }
  return {
    path,
    file,
    metadata,
    image: image.element.name,
    isStruct: image.children.length > 0,
    label: labelColumn(path, columns, features, options.label),
  };
}

/** What of it is read holds raw bytes: of a struct its field `bytes`. */
function holdsBytes({ element, children }: SchemaTree): boolean {
  if (element.repetition_type === 'REPEATED') return false;
  if (children.length > 0) {
    const bytes = children.find((child) => child.element.name === 'bytes');
    return bytes !== undefined && bytes.children.length === 0 && holdsBytes(bytes);
  }
  const isBytes = element.type === 'BYTE_ARRAY' || element.type === 'FIXED_LEN_BYTE_ARRAY';
  return isBytes && element.converted_type === undefined && element.logical_type === undefined;
}

function typeOf({ element, children }: SchemaTree): string {
  if (children.length > 0) return `{${children.map((child) => child.element.name).join(', ')}}`;
  return element.converted_type ?? element.logical_type?.type ?? element.type ?? 'unknown';
}

function listOf(columns: readonly SchemaTree[]): string {
  return columns.map((column) => `${column.element.name} (${typeOf(column)})`).join(', ');
}

function imageColumn(
  path: string,
  columns: readonly SchemaTree[],
  { images }: HubFeatures,
  wanted: string | undefined,
): SchemaTree {
  const name = wanted ?? (images.length === 1 ? images[0]! : 'image');
  const column = columns.find(({ element }) => element.name === name);
  const there = `Columns: ${listOf(columns)}. Name the one that holds the images in source.image.`;
  if (!column) {
    const meant = nearest(
      name,
      columns.map(({ element }) => element.name),
    );
    throw new ProblemError(
      'invalid-data',
      `${path} has no column "${name}"${meant ? `; did you mean "${meant}"?` : '.'} ${there}`,
    );
  }
  if (!holdsBytes(column))
    throw new ProblemError(
      'invalid-data',
      `${path} has no images in the column "${name}": it is ${typeOf(column)}, and images are bytes, or structs {bytes, path}. ${there}`,
    );
  return column;
}

const WHOLE = new Set(['INT32', 'INT64', 'BOOLEAN']);

function labelColumn(
  path: string,
  columns: readonly SchemaTree[],
  { classNames }: HubFeatures,
  wanted: string | null | undefined,
): ParquetFile['label'] {
  if (wanted === null) return null;
  const known = [...classNames.keys()];
  const isThere = (name: string) => columns.some(({ element }) => element.name === name);
  if (wanted === undefined && known.length > 1 && !known.includes('label'))
    throw new ProblemError(
      'invalid-data',
      `${path} has several columns of labels: ${known.join(', ')}. Name one in source.label, or null for none.`,
    );
  const name = wanted ?? (known.length === 1 ? known[0]! : 'label');
  if (wanted === undefined && !isThere(name)) return null;
  const column = columns.find(({ element }) => element.name === name);
  if (!column)
    throw new ProblemError(
      'invalid-data',
      `${path} has no column "${name}". Columns: ${listOf(columns)}. Name the one that holds the labels in source.label.`,
    );
  const { type, converted_type, logical_type } = column.element;
  const isText = converted_type === 'UTF8' || logical_type?.type === 'STRING';
  if (column.children.length > 0 || !(isText || WHOLE.has(type ?? '')))
    throw new ProblemError(
      'invalid-data',
      `${path} has no labels in the column "${name}": it is ${typeOf(column)}, and labels are whole numbers or texts. Columns: ${listOf(columns)}.`,
    );
  return { column: name, isText, names: classNames.get(name) ?? null };
}

/** Names from the metadata, or of all labels that occur, where they are texts: the column of the labels is read once for that. */
async function labelsOf(opened: readonly ParquetFile[], options: ParquetOptions): Promise<Labels | null> {
  const [first] = opened;
  if (opened.every(({ label }) => label === null)) return null;
  for (const { path, label } of opened) {
    if (label === null)
      throw new ProblemError(
        'invalid-data',
        `${path} has no labels, and other files have. Give all of them labels, or set source.label to null.`,
      );
    if (String(label.names) !== String(first?.label?.names))
      throw new ProblemError(
        'invalid-data',
        `${path} has other class names than ${first?.path}. All files need the same.`,
      );
  }
  const names = options.classes ?? first?.label?.names ?? undefined;
  if (names || !opened.some(({ label }) => label?.isText)) return new Labels(names ?? undefined).asNumbered();
  const seen = new Set<string>();
  for (const one of opened) {
    for await (const rows of groupsOf(one, [one.label!.column])) {
      options.signal?.throwIfAborted();
      for (const row of rows) {
        const label = row[one.label!.column];
        if (label !== null && label !== undefined && label !== '') seen.add(String(label));
      }
    }
    if (seen.size > MAX_CLASSES)
      throw new ProblemError(
        'invalid-data',
        `${one.path} has more than ${MAX_CLASSES} different labels in the column "${one.label!.column}". Is it a column of labels?`,
      );
  }
  return Labels.of(seen, undefined).asNumbered();
}

function rowsOf(opened: readonly ParquetFile[], labels: Labels | null, limit?: number): SourceSplit {
  const all = opened.reduce((sum, { metadata }) => sum + Number(metadata.num_rows), 0);
  const count = Math.min(limit ?? all, all);
  return {
    count,
    async *images(signal) {
      let left = count;
      for (const one of opened) {
        let number = 0;
        const columns = [one.image, ...(one.label ? [one.label.column] : [])];
        for await (const rows of groupsOf(one, columns, () => left)) {
          for (const row of rows) {
            signal?.throwIfAborted();
            yield imageOf(row, rowName(one, number++), one, labels);
            left--;
          }
        }
        if (left === 0) return;
      }
    },
  };
}

type Row = Record<string, unknown>;

function imageOf(row: Row, name: string, one: ParquetFile, labels: Labels | null): SourceImage {
  const { image, isStruct } = one;
  const cell = row[image];
  const bytes = isStruct ? (cell as Row | null)?.bytes : cell;
  const path = isStruct ? (cell as Row | null)?.path : undefined;
  const read = async () => {
    if (!(bytes instanceof Uint8Array))
      throw new DecodeError(path ? `has no bytes, only the path ${path}` : 'is empty');
    if (bytes.length > MAX_FILE_BYTES)
      throw new DecodeError(`has more than the ${MAX_FILE_BYTES} bytes that are read`);
    return bytes;
  };
  return { name, label: labelOf(row, one, labels, name), kind: 'file', read };
}

/** Rows of these columns, row group by row group; no more of a group than are wanted still. */
async function* groupsOf(
  { path, file, metadata }: ParquetFile,
  columns: string[],
  wanted: () => number = () => Number.POSITIVE_INFINITY,
): AsyncGenerator<Row[]> {
  let start = 0;
  for (const { num_rows } of metadata.row_groups) {
    if (wanted() <= 0) return;
    const end = start + Number(num_rows);
    const rowEnd = Math.min(end, start + wanted());
    yield await readable(path, () =>
      parquetReadObjects({
        file,
        metadata,
        columns,
        rowStart: start,
        rowEnd,
        compressors: LIMITED,
        utf8: false,
      }),
    );
    start = end;
  }
}

/** Pages that announce more than a row group may hold are refused before there is memory for them. */
const LIMITED: Compressors = Object.fromEntries(
  Object.entries(compressors).map(([codec, unpack]) => [
    codec,
    (input: Uint8Array, outputLength: number) => {
      if (outputLength > MAX_GROUP_BYTES) throw new Error(`a page announces ${outputLength} bytes`);
      return unpack(input, outputLength);
    },
  ]),
);

async function readable<T>(path: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof ProblemError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new ProblemError('invalid-data', `${path} cannot be read as Parquet: ${reason}.`, undefined, {
      cause: error,
    });
  }
}
