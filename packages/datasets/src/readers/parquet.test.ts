/** Parquet files as the Hugging Face hub has them, written by another library than reads them. */
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { SchemaElement } from 'hyparquet';
import { type ColumnSource, parquetWriteBuffer } from 'hyparquet-writer';
import { describe, expect, it } from 'vitest';
import { createFiles } from '../files/files.js';
import { allOf, noise, put, testFolder } from '../testing/fixtures.js';
import { openParquet } from './parquet.js';

const files = createFiles();

interface Written {
  columns: ColumnSource[];
  features?: Record<string, object>;
  rowGroupSize?: number;
}

async function write(
  { columns, features, rowGroupSize = 2 }: Written,
  name = 'train.parquet',
): Promise<string> {
  const kvMetadata = features ? [{ key: 'huggingface', value: JSON.stringify({ info: { features } }) }] : [];
  const bytes = parquetWriteBuffer({ columnData: columns, rowGroupSize, kvMetadata });
  return put(join(await testFolder(), name), new Uint8Array(bytes));
}

const blobs = [noise(50, 1), noise(60, 2), noise(70, 3)];
const plain: ColumnSource = { name: 'image', data: blobs, type: 'BYTE_ARRAY' };
const numbers: ColumnSource = { name: 'label', data: [2n, 0n, 1n], type: 'INT64' };

/** The struct {bytes, path} of the hub. */
async function writeStructs(features?: Record<string, object>): Promise<string> {
  const schema: SchemaElement[] = [
    { name: 'root', num_children: 2 },
    { name: 'img', repetition_type: 'OPTIONAL', num_children: 2 },
    { name: 'bytes', type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL' },
    { name: 'path', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
    { name: 'label', type: 'INT64', repetition_type: 'OPTIONAL' },
  ];
  const columnData: ColumnSource[] = [
    {
      name: 'img',
      data: blobs.map((bytes, index) => ({ bytes: index === 1 ? null : bytes, path: `${index}.png` })),
    },
    { name: 'label', data: [2n, 0n, 1n] },
  ];
  const kvMetadata = features ? [{ key: 'huggingface', value: JSON.stringify({ info: { features } }) }] : [];
  const bytes = parquetWriteBuffer({ columnData, schema, kvMetadata, rowGroupSize: 2 });
  return put(join(await testFolder(), 'hub.parquet'), new Uint8Array(bytes));
}

/** A Zstandard frame of one raw block (RFC 8878): what a decoder has to understand, without a coder. */
function storedAsZstandard(bytes: Uint8Array): Uint8Array {
  const header = Buffer.alloc(12);
  header.writeUInt32LE(0xfd2fb528, 0);
  header[4] = 0xa0; // one segment, its size in four bytes
  header.writeUInt32LE(bytes.length, 5);
  header.writeUIntLE((bytes.length << 3) | 1, 9, 3); // the last block, raw
  return Buffer.concat([header, bytes]);
}

async function read(train: string | string[], more: object = {}) {
  const source = await openParquet({ files, train, ...more });
  const images = await allOf(source.train);
  return { ...source, labels: images.map(({ label }) => label), images };
}

const refusal = (attempt: Promise<unknown>) =>
  attempt.then(
    () => 'not refused',
    (error: { code: string; detail: string }) => `${error.code}: ${error.detail}`,
  );

describe('a Parquet file', () => {
  it('is read row group by row group, image bytes and labels', async () => {
    const path = await write({
      columns: [plain, numbers, { name: 'more', data: ['a', 'b', 'c'], type: 'STRING' }],
    });
    const { classes, labels, images, train } = await read(path);
    expect([classes, labels, train.count]).toEqual(['numbered', [2, 0, 1], 3]);
    expect(images.map(({ name }) => name)).toEqual(['train.parquet#0', 'train.parquet#1', 'train.parquet#2']);
    for (const [index, image] of images.entries())
      expect(image.kind === 'file' && Buffer.compare(await image.read(), blobs[index]!)).toBe(0);
  });

  it.each([
    ['SNAPPY', undefined],
    ['GZIP', (bytes: Uint8Array) => gzipSync(bytes)],
    ['ZSTD', storedAsZstandard],
  ] as const)('may be compressed (%s)', async (codec, pack) => {
    const compressors = pack ? { [codec]: pack } : {};
    const bytes = parquetWriteBuffer({ columnData: [plain, numbers], codec, compressors });
    const path = await put(join(await testFolder(), 'packed.parquet'), new Uint8Array(bytes));
    const { images, labels } = await read(path);
    expect(labels).toEqual([2, 0, 1]);
    const [first] = images;
    expect(first!.kind === 'file' && Buffer.compare(await first!.read(), blobs[0]!)).toBe(0);
  });

  it('of the hub says which column is the image, which the label, and what its classes are called', async () => {
    const features = {
      img: { _type: 'Image' },
      label: { _type: 'ClassLabel', names: ['cat', 'dog', 'fox'] },
    };
    const { classes, labels, images } = await read(await writeStructs(features));
    expect([classes, labels]).toEqual([
      ['cat', 'dog', 'fox'],
      [2, 0, 1],
    ]);
    const [first, second] = images;
    expect(first!.kind === 'file' && Buffer.compare(await first!.read(), blobs[0]!)).toBe(0);
    await expect(second!.kind === 'file' && second!.read()).rejects.toThrow(
      'has no bytes, only the path 1.png',
    );
  });

  it('without such metadata takes the columns that are named', async () => {
    const { classes, labels } = await read(await writeStructs(), { image: 'img' });
    expect([classes, labels]).toEqual(['numbered', [2, 0, 1]]);
    expect((await read(await writeStructs(), { image: 'img', label: null })).classes).toBeNull();
  });

  it('may have texts as labels: their classes are sorted over all files', async () => {
    const text = (data: string[]): ColumnSource => ({ name: 'label', data, type: 'STRING' });
    const one = await write({ columns: [plain, text(['owl', 'cat', 'owl'])] }, 'a.parquet');
    const other = await write({ columns: [plain, text(['ant', 'cat', 'ant'])] }, 'b.parquet');
    const { classes, labels } = await read([one, other]);
    expect([classes, labels]).toEqual([
      ['ant', 'cat', 'owl'],
      [2, 1, 2, 0, 1, 0],
    ]);
  });

  it('is read up to a limit, and no row group beyond', async () => {
    const path = await write({ columns: [plain, numbers], rowGroupSize: 1 });
    const asked: number[] = [];
    const counting = {
      ...files,
      read(at: string, start: number, end: number) {
        asked.push(start);
        return files.read(at, start, end);
      },
    };
    const source = await openParquet({ files: counting, train: path, limit: { train: 1 } });
    const before = asked.length;
    expect(await allOf(source.train)).toHaveLength(1);
    const limited = asked.length - before;
    await allOf((await openParquet({ files: counting, train: path })).train);
    expect(limited).toBeGreaterThan(0);
    expect(asked.length - before - limited).toBeGreaterThan(2 * limited);
  });

  it('is refused where a column is not there, with those that are', async () => {
    const path = await write({ columns: [{ ...plain, name: 'imgae' }, numbers] });
    expect(await refusal(read(path))).toMatch(
      /^invalid-data: .*train\.parquet has no column "image"; did you mean "imgae"\? Columns: imgae \(BYTE_ARRAY\), label \(INT64\)\..*source\.image/,
    );
    expect(await refusal(read(path, { image: 'imgae', label: 'class' }))).toMatch(
      /no column "class"\. Columns: imgae/,
    );
  });

  it('is refused where a column holds no images or no labels, with the columns that there are', async () => {
    const path = await write({
      columns: [plain, numbers, { name: 'caption', data: ['a', 'b', 'c'], type: 'STRING' }],
    });
    for (const column of ['label', 'caption'])
      expect(await refusal(read(path, { image: column }))).toMatch(
        new RegExp(
          `no images in the column "${column}": it is (INT64|UTF8).*Columns: image \\(BYTE_ARRAY\\)`,
        ),
      );
    expect(await refusal(read(path, { label: 'image' }))).toMatch(
      /no labels in the column "image": it is BYTE_ARRAY/,
    );
  });

  it('is refused where it has several columns of labels and none is named', async () => {
    const features = {
      image: { _type: 'Image' },
      fine_label: { _type: 'ClassLabel', names: ['a', 'b', 'c'] },
      coarse_label: { _type: 'ClassLabel', names: ['x', 'y', 'z'] },
    };
    const path = await write({
      columns: [plain, { ...numbers, name: 'fine_label' }, { ...numbers, name: 'coarse_label' }],
      features,
    });
    expect(await refusal(read(path))).toMatch(
      /several columns of labels: fine_label, coarse_label.*source\.label/,
    );
    expect((await read(path, { label: 'coarse_label' })).classes).toEqual(['x', 'y', 'z']);
  });

  it('is refused where a label has no name', async () => {
    const features = { image: { _type: 'Image' }, label: { _type: 'ClassLabel', names: ['a', 'b'] } };
    expect(await refusal(read(await write({ columns: [plain, numbers], features })))).toMatch(
      /train\.parquet#0 has the label 2, and there are names for 2 classes/,
    );
  });

  it('is refused where it is none, or cut off', async () => {
    const folder = await testFolder();
    expect(await refusal(read(await put(join(folder, 'x.parquet'), 'no Parquet at all')))).toMatch(
      /invalid-data: .*x\.parquet cannot be read as Parquet/,
    );
    expect(await refusal(read(await put(join(folder, 'y.parquet'), '')))).toMatch(
      /cannot be read as Parquet/,
    );
    expect(await refusal(read(folder, {}).then(() => read(join(folder, 'z*.parquet'))))).toMatch(
      /invalid-data/,
    );
  });
});
