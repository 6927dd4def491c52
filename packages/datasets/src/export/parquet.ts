/** Parquet with the columns that the Hugging Face hub has: image {bytes, path}, label, target as a list of floats. */
import type { SchemaElement } from 'hyparquet';
import { fileWriter, ParquetWriter } from 'hyparquet-writer';
import { encodedImage } from './encoded-image.js';
import type { ExportRow } from './rows.js';
import type { Contents, ShardFormat } from './shard-format.js';

/** A group of rows is held in memory until it is written: so many floats of targets, or bytes of images. */
const GROUP_FLOATS = 2 ** 19;
const GROUP_BYTES = 32 * 1024 ** 2;

interface Group {
  index: bigint[];
  key: string[];
  label: (number | null)[];
  target: number[][];
  image: { bytes: Uint8Array; path: string }[];
  bytes: number;
}

const emptyGroup = (): Group => ({ index: [], key: [], label: [], target: [], image: [], bytes: 0 });

function schemaOf({ labels, classes, images }: Contents): SchemaElement[] {
  const columns: SchemaElement[][] = [
    [{ name: 'index', type: 'INT64', repetition_type: 'REQUIRED' }],
    ...(labels
      ? [[{ name: 'key', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'REQUIRED' } as const]]
      : []),
    ...(labels && classes ? [[{ name: 'label', type: 'INT32', repetition_type: 'OPTIONAL' } as const]] : []),
    [
      { name: 'target', converted_type: 'LIST', repetition_type: 'REQUIRED', num_children: 1 },
      { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
      { name: 'element', type: 'FLOAT', repetition_type: 'REQUIRED' },
    ],
    ...(images
      ? [
          [
            { name: 'image', repetition_type: 'REQUIRED', num_children: 2 } as const,
            { name: 'bytes', type: 'BYTE_ARRAY', repetition_type: 'REQUIRED' } as const,
            {
              name: 'path',
              type: 'BYTE_ARRAY',
              converted_type: 'UTF8',
              repetition_type: 'REQUIRED',
            } as const,
          ],
        ]
      : []),
  ];
  return [{ name: 'root', num_children: columns.length }, ...columns.flat()];
}

/** What the columns are, for `datasets.load_dataset`. */
function features({ labels, classes, images }: Contents): string {
  const value = (dtype: string) => ({ dtype, _type: 'Value' });
  return JSON.stringify({
    info: {
      features: {
        index: value('int64'),
        ...(labels ? { key: value('string') } : {}),
        ...(labels && classes ? { label: { names: classes, _type: 'ClassLabel' } } : {}),
        target: { feature: value('float32'), _type: 'Sequence' },
        ...(images ? { image: { _type: 'Image' } } : {}),
      },
    },
  });
}

function columnsOf(group: Group, { labels, classes, images }: Contents) {
  const raw = { codec: 'UNCOMPRESSED', encoding: 'PLAIN', statistics: false } as const;
  return [
    { name: 'index', data: group.index },
    ...(labels ? [{ name: 'key', data: group.key }] : []),
    ...(labels && classes ? [{ name: 'label', data: group.label }] : []),
    // Neither floats nor compressed images get smaller.
    { name: 'target', data: group.target, ...raw },
    ...(images ? [{ name: 'image', data: group.image, ...raw }] : []),
  ];
}

async function add(group: Group, { index, key, label, target, image }: ExportRow): Promise<void> {
  group.index.push(BigInt(index));
  group.key.push(key ?? String(index));
  group.label.push(label);
  group.target.push(Array.from(target));
  if (!image) return;
  const { bytes, extension } = await encodedImage(image);
  group.image.push({ bytes, path: key ?? `${index}.${extension}` });
  group.bytes += bytes.length;
}

export const parquet: ShardFormat = {
  files: (number, total) => [`train-${number}-of-${total}.parquet`],

  async write(paths, rows, _count, contents) {
    const writer = new ParquetWriter({
      writer: fileWriter(paths[0]!),
      schema: schemaOf(contents),
      kvMetadata: [{ key: 'huggingface', value: features(contents) }],
    });
    let group = emptyGroup();
    const flush = async () => {
      await writer.write({ columnData: columnsOf(group, contents), rowGroupSize: group.index.length });
      group = emptyGroup();
    };
    for await (const row of rows) {
      await add(group, row);
      if (group.index.length * contents.k >= GROUP_FLOATS || group.bytes >= GROUP_BYTES) await flush();
    }
    if (group.index.length > 0) await flush();
    await writer.finish();
  },
};
