/** A Parquet file of columns that `datasets.load_dataset` and the Hugging Face hub know, written row by row in groups that fit in memory. */
import type { SchemaElement } from 'hyparquet';
import { fileWriter, ParquetWriter } from 'hyparquet-writer';

/** A group of rows is held in memory until it is written: so many floats, or bytes of images. */
const GROUP_FLOATS = 2 ** 19;
const GROUP_BYTES = 32 * 1024 ** 2;

/** A column of rows of that kind. */
export interface Column<Row> {
  name: string;
  schema: SchemaElement[];
  /** What the column is to the `datasets` library. */
  feature: object;
  cellOf(row: Row): unknown;
  /** Share of a group that the value takes: 1 fills it. */
  weightOf?(value: unknown): number;
  /** Neither floats nor compressed images get smaller. */
  raw?: boolean;
}

const value = (dtype: string) => ({ dtype, _type: 'Value' });

export function integers<Row>(name: string, cellOf: (row: Row) => number): Column<Row> {
  return {
    ...{ name, feature: value('int64') },
    schema: [{ name, type: 'INT64', repetition_type: 'REQUIRED' }],
    cellOf: (row) => BigInt(cellOf(row)),
  };
}

export function text<Row>(name: string, cellOf: (row: Row) => string): Column<Row> {
  return {
    ...{ name, cellOf, feature: value('string') },
    schema: [{ name, type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'REQUIRED' }],
  };
}

/** int32, null where there is no label. */
export function labels<Row>(
  name: string,
  classes: readonly string[],
  cellOf: (row: Row) => number | null,
): Column<Row> {
  return {
    ...{ name, cellOf, feature: { names: classes, _type: 'ClassLabel' } },
    schema: [{ name, type: 'INT32', repetition_type: 'OPTIONAL' }],
  };
}

/** A list of float32 a row. */
export function floats<Row>(name: string, cellOf: (row: Row) => Float32Array): Column<Row> {
  return {
    ...{ name, raw: true, feature: { feature: value('float32'), _type: 'Sequence' } },
    schema: [
      { name, converted_type: 'LIST', repetition_type: 'REQUIRED', num_children: 1 },
      { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
      { name: 'element', type: 'FLOAT', repetition_type: 'REQUIRED' },
    ],
    cellOf: (row) => Array.from(cellOf(row)),
    weightOf: (numbers) => (numbers as number[]).length / GROUP_FLOATS,
  };
}

/** Image files, { bytes, path }. */
export function images<Row>(
  name: string,
  cellOf: (row: Row) => Promise<{ bytes: Uint8Array; path: string }>,
): Column<Row> {
  return {
    ...{ name, cellOf, raw: true, feature: { _type: 'Image' } },
    schema: [
      { name, repetition_type: 'REQUIRED', num_children: 2 },
      { name: 'bytes', type: 'BYTE_ARRAY', repetition_type: 'REQUIRED' },
      { name: 'path', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'REQUIRED' },
    ],
    weightOf: (image) => (image as { bytes: Uint8Array }).bytes.length / GROUP_BYTES,
  };
}

const RAW = { codec: 'UNCOMPRESSED', encoding: 'PLAIN', statistics: false } as const;

/** @throws the file system's error where the file cannot be written */
export async function writeParquet<Row>(
  path: string,
  columns: readonly Column<Row>[],
  rows: AsyncIterable<Row> | Iterable<Row>,
): Promise<void> {
  const features = Object.fromEntries(columns.map(({ name, feature }) => [name, feature]));
  const writer = new ParquetWriter({
    writer: fileWriter(path),
    schema: [{ name: 'root', num_children: columns.length }, ...columns.flatMap(({ schema }) => schema)],
    kvMetadata: [{ key: 'huggingface', value: JSON.stringify({ info: { features } }) }],
  });
  let held: unknown[][] = columns.map(() => []);
  let weights = columns.map(() => 0);
  const flush = async () => {
    const columnData = columns.map(({ name, raw }, at) => ({ name, data: held[at]!, ...(raw ? RAW : {}) }));
    await writer.write({ columnData, rowGroupSize: held[0]!.length });
    held = columns.map(() => []);
    weights = columns.map(() => 0);
  };
  for await (const row of rows) {
    for (const [at, { cellOf, weightOf }] of columns.entries()) {
      const cell = await cellOf(row);
      held[at]!.push(cell);
      weights[at]! += weightOf?.(cell) ?? 0;
    }
    if (weights.some((weight) => weight >= 1)) await flush();
  }
  if (held[0]!.length > 0) await flush();
  await writer.finish();
}
