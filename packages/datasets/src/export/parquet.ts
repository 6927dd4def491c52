/** Parquet with the columns that the Hugging Face hub has: image {bytes, path}, label, target as a list of floats. */
import { encodedImage } from './encoded-image.js';
import {
  type Column,
  labels as classLabels,
  floats,
  images as imageFiles,
  integers,
  text,
  writeParquet,
} from './parquet-table.js';
import type { ExportRow } from './rows.js';
import type { Contents, ShardFormat } from './shard-format.js';

async function imageOf({ image, key, index }: ExportRow): Promise<{ bytes: Uint8Array; path: string }> {
  const { bytes, extension } = await encodedImage(image!);
  return { bytes, path: key ?? `${index}.${extension}` };
}

function columnsOf({ labels, classes, images }: Contents): Column<ExportRow>[] {
  return [
    integers('index', ({ index }) => index),
    ...(labels ? [text<ExportRow>('key', ({ key, index }) => key ?? String(index))] : []),
    ...(labels && classes ? [classLabels<ExportRow>('label', classes, ({ label }) => label)] : []),
    floats('target', ({ target }) => target),
    ...(images ? [imageFiles('image', imageOf)] : []),
  ];
}

export const parquet: ShardFormat = {
  files: (number, total) => [`train-${number}-of-${total}.parquet`],

  write: (paths, rows, _count, contents) => writeParquet(paths[0]!, columnsOf(contents), rows),
};
