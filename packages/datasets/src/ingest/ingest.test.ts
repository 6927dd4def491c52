/** Ingest from real files to shards on disk. */
import { join } from 'node:path';
import { parquetWriteBuffer } from 'hyparquet-writer';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { openSplit } from '../shards/split.js';
import {
  idx,
  ingestInto,
  noise,
  noiseDataset,
  png,
  put,
  tar,
  testFolder,
  webServer,
} from '../testing/fixtures.js';

async function pngFolder(count: number, channels: 1 | 3 = 3): Promise<string> {
  const folder = await testFolder();
  for (let index = 0; index < count; index++)
    await put(join(folder, 'images', `c${index % 2}`, `${index}.png`), await png(6, 6, channels, index + 1));
  return folder;
}

/** A Parquet file of bytes and labels. */
function parquetOf(images: string[], labels: number[]): Uint8Array {
  const columnData = [
    { name: 'image', data: images.map((text) => Buffer.from(text)), type: 'BYTE_ARRAY' as const },
    { name: 'label', data: labels, type: 'INT32' as const },
  ];
  return new Uint8Array(parquetWriteBuffer({ columnData }));
}

const csv = (path: string) => ({ kind: 'csv', path }) as const;

describe('ingest', () => {
  it('writes both splits of IDX files and says what they hold', async () => {
    const { manifest, undecodable } = await noiseDataset(await testFolder(), {
      count: 25,
      side: 4,
      shardSize: 10,
    });
    expect(manifest).toMatchObject({
      version: 1,
      classes: ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'],
      channels: 1,
      imageSize: { height: 4, width: 4 },
    });
    expect(manifest.splits.train.shards.map(({ count }) => count)).toEqual([10, 10, 5]);
    expect(manifest.splits.test?.count).toBe(16);
    expect(undecodable).toEqual({ count: 0, examples: [] });
  });

  it('takes mean and standard deviation of the training images', async () => {
    const { manifest } = await noiseDataset(await testFolder(), { count: 25, side: 4, shardSize: 10 });
    const values = [...noise(25 * 16)].map((value) => value / 255);
    const mean = values.reduce((sum, value) => sum + value) / values.length;
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
    expect(manifest.mean[0]).toBeCloseTo(mean, 12);
    expect(manifest.std[0]).toBeCloseTo(Math.sqrt(variance), 12);
  });

  it('gives equal images an equal digest, wherever they lie', async () => {
    const options = { count: 25, side: 4, shardSize: 10 };
    const [one, other] = [
      await noiseDataset(await testFolder(), options),
      await noiseDataset(await testFolder(), options),
    ];
    expect(one.manifestDigest).toBe(other.manifestDigest);
    const smaller = await noiseDataset(await testFolder(), { ...options, count: 24 });
    expect(smaller.manifestDigest).not.toBe(one.manifestDigest);
  });

  it('reads class folders of files, and tells how far it is', async () => {
    const folder = await pngFolder(6);
    const seen: (number | null)[][] = [];
    const { manifest, resolve } = await ingestInto(
      folder,
      { kind: 'folder', path: join(folder, 'images') },
      { onProgress: (...progress) => seen.push(progress) },
    );
    expect(manifest).toMatchObject({
      classes: ['c0', 'c1'],
      channels: 3,
      imageSize: { height: 6, width: 6 },
    });
    expect(seen.at(-1)).toEqual([6, 6]);
    const split = await openSplit(manifest, 'train', resolve);
    expect([...(await split.labels())]).toEqual([0, 0, 0, 1, 1, 1]);
    expect(Buffer.compare((await split.decode(1)).data, noise(108, 3))).toBe(0);
    await split.close();
  });

  it('keeps the bytes of files whose pixels take more room', async () => {
    const folder = await testFolder();
    const photo = await sharp(noise(3 * 80 * 100), { raw: { height: 80, width: 100, channels: 3 } })
      .jpeg()
      .toBuffer();
    await put(join(folder, 'images', '1.jpg'), photo);
    await put(join(folder, 'images', '2.png'), await png(8, 8, 1));
    const { manifest, resolve, bytes } = await ingestInto(folder, {
      kind: 'folder',
      path: join(folder, 'images'),
    });
    expect(manifest).toMatchObject({ classes: null, channels: 3, imageSize: null });
    expect(bytes).toBeLessThan(photo.length + 2000);
    const split = await openSplit(manifest, 'train', resolve);
    expect(await split.decode(0)).toMatchObject({ height: 80, width: 100, channels: 3 });
    expect(await split.decode(1)).toMatchObject({ height: 8, width: 8, channels: 3, label: null }); // grey among colour
    await split.close();
  });

  it('counts and names images that do not decode, and goes on below the tolerance', async () => {
    const folder = await pngFolder(20);
    await put(join(folder, 'images', 'c0', 'broken.png'), 'no image');
    const source = { kind: 'folder', path: join(folder, 'images') } as const;
    const { undecodable, manifest } = await ingestInto(folder, source, { tolerance: 0.05 });
    expect(undecodable).toMatchObject({
      count: 1,
      examples: [{ name: 'c0/broken.png', reason: expect.any(String) }],
    });
    expect(manifest.splits.train.count).toBe(20);
    await expect(ingestInto(folder, source, { tolerance: 0.04 })).rejects.toMatchObject({
      code: 'invalid-data',
      detail: expect.stringMatching(
        /^1 of 21 images do not decode, and the tolerance is 0.04: c0\/broken.png \(/,
      ),
    });
  });

  it('counts an image above the pixel limit as one that does not decode', async () => {
    const folder = await pngFolder(2);
    await put(join(folder, 'images', 'c1', 'bomb.png'), await png(40, 40, 1));
    const source = { kind: 'folder', path: join(folder, 'images') } as const;
    const { undecodable } = await ingestInto(folder, source, { tolerance: 0.5, maxPixels: 100 });
    expect(undecodable.examples).toEqual([
      { name: 'c1/bomb.png', reason: expect.stringMatching(/pixel limit/) },
    ]);
  });

  it('names ten of many', async () => {
    const folder = await pngFolder(2);
    for (let index = 0; index < 12; index++) await put(join(folder, 'images', 'c1', `x${index}.png`), '');
    const source = { kind: 'folder', path: join(folder, 'images') } as const;
    const { undecodable } = await ingestInto(folder, source, { tolerance: 1 });
    expect(undecodable.count).toBe(12);
    expect(undecodable.examples).toHaveLength(10);
  });

  it('refuses a data set without images, or with one', async () => {
    const folder = await pngFolder(1);
    const source = { kind: 'folder', path: join(folder, 'images') } as const;
    await expect(ingestInto(folder, source)).rejects.toThrow('has one training image only');
    const none = await put(join(folder, 'none'), idx([0, 2, 2], []));
    await expect(ingestInto(folder, { kind: 'idx', train: { images: none } })).rejects.toThrow(
      'has no training images',
    );
  });

  it('takes the first images of each split where there is a limit', async () => {
    const folder = await testFolder();
    const images = await put(join(folder, 'images'), idx([5, 2, 2], noise(20)));
    const { manifest } = await ingestInto(
      folder,
      { kind: 'idx', train: { images }, test: { images } },
      { limit: { train: 4, test: 2 } },
    );
    expect(manifest.splits).toMatchObject({ train: { count: 4 }, test: { count: 2 } });
    expect(manifest.classes).toBeNull();
  });

  it('stops when it is told to', async () => {
    const folder = await pngFolder(4);
    const abort = new AbortController();
    const { ingest } = await import('./ingest.js');
    const running = ingest({
      dataset: {
        name: 'test',
        source: { kind: 'folder', path: join(folder, 'images') },
        tolerance: 0,
        shardSize: 1,
      },
      cacheFolder: folder,
      maxPixels: 1e6,
      signal: abort.signal,
      async write(bytes) {
        abort.abort(new Error('cancelled'));
        return { digest: '', bytes: bytes.length };
      },
    });
    await expect(running).rejects.toThrow('cancelled');
  });

  it('normalises a channel without variance to zero, never to NaN', async () => {
    const folder = await testFolder();
    const images = await put(join(folder, 'images'), idx([2, 2, 2], [9, 9, 9, 9, 9, 9, 9, 9]));
    const { manifest } = await ingestInto(folder, { kind: 'idx', train: { images } });
    expect(manifest.std).toEqual([1]);
    expect(manifest.mean[0]).toBeCloseTo(9 / 255, 12);
  });

  it('normalises with what is given, and makes grey images colour ones where it has three numbers', async () => {
    const folder = await testFolder();
    const images = await put(join(folder, 'images'), idx([2, 2, 2], noise(8)));
    const source = { kind: 'idx', train: { images } } as const;
    const one = await ingestInto(folder, source, { normalization: { mean: [0.5], std: [0.25] } });
    expect(one.manifest).toMatchObject({ channels: 1, mean: [0.5], std: [0.25] });
    const three = await ingestInto(folder, source, {
      normalization: { mean: [0.4, 0.5, 0.6], std: [0.25] },
    });
    expect(three.manifest).toMatchObject({ channels: 3, mean: [0.4, 0.5, 0.6], std: [0.25, 0.25, 0.25] });
    const split = await openSplit(three.manifest, 'train', three.resolve);
    expect((await split.decode(0)).channels).toBe(3);
    await split.close();
  });

  it('takes the same mean and standard deviation to the last bit, however the images are put into shards', async () => {
    const statistics = async (shardSize: number) => {
      const { manifest } = await noiseDataset(await testFolder(), { count: 50, side: 6, shardSize });
      return [manifest.mean, manifest.std];
    };
    const whole = await statistics(50);
    for (const shardSize of [1, 7, 49]) expect(await statistics(shardSize)).toEqual(whole);
  });

  it('warns of images that are all the same', async () => {
    const folder = await testFolder();
    const same = await put(join(folder, 'same'), idx([3, 1, 2], [1, 2, 1, 2, 1, 2]));
    const { manifest, warnings } = await ingestInto(folder, { kind: 'idx', train: { images: same } });
    expect(manifest.identical).toBe(true);
    expect(warnings).toEqual([expect.stringMatching(/^All 3 training images are the same/)]);
    const other = await put(join(folder, 'other'), idx([3, 1, 2], [1, 2, 1, 2, 1, 3]));
    const differing = await ingestInto(folder, { kind: 'idx', train: { images: other } });
    expect(differing.manifest.identical).toBeUndefined();
    expect(differing.warnings).toEqual([]);
  });

  it('refuses test images of classes that no training image has, by name', async () => {
    const folder = await testFolder();
    const images = await put(join(folder, 'images'), idx([3, 1, 1], [1, 2, 3]));
    const labels = (name: string, values: number[]) => put(join(folder, name), idx([3], values));
    const train = { images, labels: await labels('train', [0, 1, 0]) };
    const test = { images, labels: await labels('test', [1, 2, 3]) };
    await expect(
      ingestInto(folder, { kind: 'idx', train, test }, { classes: ['ant', 'bee', 'cat', 'dog'] }),
    ).rejects.toMatchObject({
      code: 'invalid-data',
      detail: expect.stringMatching(/classes that no training image has: cat, dog\. Add training images/),
    });
    const all = { images, labels: await labels('all', [3, 2, 1]) };
    await expect(
      ingestInto(folder, { kind: 'idx', train: all, test }, { limit: { train: 2 } }),
    ).rejects.toThrow(/has: 1\. Raise limit\.train \(2\)/);
  });

  it('refuses them before an image is read, where the source knows its labels by then', async () => {
    const folder = await testFolder();
    // None of the files is an image: who reads one says so.
    const refusal = (source: Parameters<typeof ingestInto>[1], more: object = {}) =>
      expect(ingestInto(folder, source, more)).rejects;
    const rows = ['path,label,split', 'gone.png,cat,train', 'gone.png,dog,train', 'gone.png,owl,test'];
    const path = await put(join(folder, 'x.csv'), rows.join('\n'));
    await refusal(csv(path)).toThrow(/classes that no training image has: owl\. Add training images/);
    const known = await put(join(folder, 'y.csv'), rows.join('\n').replace('owl', 'dog'));
    await refusal(csv(known)).toThrow(/do not decode/);
    await refusal(csv(known), { limit: { train: 1 } }).toThrow(/has: dog\. Raise limit\.train \(1\)/);
    const parquet = async (name: string, labels: number[]) =>
      put(
        join(folder, name),
        parquetOf(
          labels.map(() => 'no image'),
          labels,
        ),
      );
    const train = await parquet('train.parquet', [0, 1]);
    await refusal({ kind: 'parquet', train, test: await parquet('test.parquet', [1, 2, 0]) }).toThrow(
      /no training image has: 2\. Add/,
    );
    const test = await parquet('few.parquet', [0, 2]);
    await refusal({ kind: 'parquet', train, test }, { limit: { test: 1 } }).toThrow(/do not decode/);
    for (const name of ['a/c0/1.png', 'a/c1/1.png', 'b/c1/1.png']) await put(join(folder, name), 'no image');
    const folders = { kind: 'folder', path: join(folder, 'a'), test: join(folder, 'b') } as const;
    await refusal(folders, { limit: { train: 1 } }).toThrow(/has: c1\. Raise limit\.train/);
    await refusal(folders).toThrow(/do not decode/);
  });

  it('says where to name the images when none of what it was given is one', async () => {
    const folder = await testFolder();
    const train = await put(join(folder, 'x.parquet'), parquetOf(['a text', 'another'], [0, 1]));
    await expect(ingestInto(folder, { kind: 'parquet', train, image: 'image' })).rejects.toThrow(
      /^2 of 2 images do not decode, .*x\.parquet#0 \(.*\)\. Not one does: say in source\.image where/,
    );
  });

  it('gives names to numbered classes, and refuses labels without one and names for classes that have some', async () => {
    const folder = await testFolder();
    const images = await put(join(folder, 'images'), idx([2, 1, 1], [1, 2]));
    const labels = await put(join(folder, 'labels'), idx([2], [1, 0]));
    const source = { kind: 'idx', train: { images, labels } } as const;
    expect((await ingestInto(folder, source, { classes: ['ant', 'bee'] })).manifest.classes).toEqual([
      'ant',
      'bee',
    ]);
    await expect(ingestInto(folder, source, { classes: ['ant'] })).rejects.toThrow(
      'images#0 has the label 1, and "classes" names 1 classes',
    );
    const pictures = { kind: 'folder', path: join(await pngFolder(4), 'images') } as const;
    await expect(ingestInto(folder, pictures, { classes: ['ant', 'bee'] })).rejects.toThrow(
      '"classes" cannot be given: the source names its 2 classes itself (c0, c1).',
    );
  });

  it('refuses labels for some of the images only, by name', async () => {
    const folder = await testFolder();
    for (const name of ['a', 'b']) await put(join(folder, `${name}.png`), await png(2, 2, 3));
    const path = await put(join(folder, 'x.csv'), 'path,label\na.png,cat\nb.png,\n');
    await expect(ingestInto(folder, csv(path))).rejects.toThrow(
      /line 3 \(b\.png\) has no label, and line 2 \(a\.png\) has one/,
    );
  });

  it('gives up when more images have failed than may, not after all of the others', async () => {
    const folder = await testFolder();
    await put(join(folder, 'a.png'), await png(2, 2, 3));
    const bad = Array.from({ length: 50 }, (_, index) => `gone-${index}.png`);
    const good = Array.from({ length: 3000 }, () => 'a.png');
    const path = await put(join(folder, 'x.csv'), ['path', ...bad, ...good].join('\n'));
    await expect(ingestInto(folder, csv(path))).rejects.toThrow(
      /^10 of the first 10 images do not decode, and the tolerance is 0: line 2 \(gone-0\.png\)/,
    );
    const one = await put(join(folder, 'y.csv'), ['path', 'gone.png', ...good].join('\n'));
    await expect(ingestInto(folder, csv(one))).rejects.toThrow(/^1 of the first 1001 images do not decode/);
    expect((await ingestInto(folder, csv(path), { tolerance: 0.02 })).undecodable.count).toBe(50);
  });

  it('tells of a download that fails by its row, and passes over it below the tolerance', async () => {
    const folder = await testFolder();
    const image = await png(2, 2, 3);
    const url = await webServer((request, response) => {
      if (request.url === '/gone.png') response.writeHead(404).end();
      else response.end(image);
    });
    const rows = Array.from({ length: 9 }, (_, index) => `${url}${index}.png,c${index % 2}`);
    const path = await put(join(folder, 'x.csv'), ['url,label', ...rows, `${url}gone.png,c0`].join('\n'));
    const options = { allowPrivateAddresses: true };
    await expect(ingestInto(folder, csv(path), options)).rejects.toThrow(
      `1 of 10 images do not decode, and the tolerance is 0: line 11 (${url}gone.png) (the server answers 404)`,
    );
    const { manifest, undecodable } = await ingestInto(folder, csv(path), { ...options, tolerance: 0.1 });
    expect(manifest).toMatchObject({ classes: ['c0', 'c1'], splits: { train: { count: 9 } } });
    expect(undecodable.examples).toEqual([
      { name: `line 11 (${url}gone.png)`, reason: 'the server answers 404' },
    ]);
    await expect(ingestInto(folder, csv(path))).rejects.toThrow('is an address of a private network');
  });

  it('reads an archive image by image, without knowing how many there are', async () => {
    const folder = await testFolder();
    const members = [];
    for (let index = 0; index < 3; index++)
      members.push(
        { name: `${index}.png`, bytes: await png(4, 4, 3, index + 1) },
        { name: `${index}.cls`, bytes: String(index % 2) },
      );
    const train = await put(join(folder, 'x.tar'), await tar(members));
    const seen: (number | null)[][] = [];
    const { manifest } = await ingestInto(
      folder,
      { kind: 'webdataset', train },
      { onProgress: (...progress) => seen.push(progress) },
    );
    expect(manifest).toMatchObject({ classes: ['0', '1'], channels: 3, splits: { train: { count: 3 } } });
    expect(seen).toEqual([
      [1, null],
      [2, null],
      [3, null],
    ]);
  });
});
