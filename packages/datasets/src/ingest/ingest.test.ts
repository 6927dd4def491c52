/** Ingest from real files to shards on disk. */
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { openSplit } from '../shards/split.js';
import { idx, ingestInto, noise, noiseDataset, png, put, testFolder } from '../testing/fixtures.js';

async function pngFolder(count: number, channels: 1 | 3 = 3): Promise<string> {
  const folder = await testFolder();
  for (let index = 0; index < count; index++)
    await put(join(folder, 'images', `c${index % 2}`, `${index}.png`), await png(6, 6, channels, index + 1));
  return folder;
}

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
});
