/** IDX files, good and bad. */
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { createFiles } from '../files/files.js';
import { idx, noise, put, testFolder } from '../testing/fixtures.js';
import { openIdx } from './idx.js';
import type { SourceImage, SourceSplit } from './source.js';

const IMAGES = idx([3, 2, 2], noise(12));
const LABELS = idx([3], [2, 0, 1]);

const files = createFiles();

async function all(split: SourceSplit): Promise<SourceImage[]> {
  const images: SourceImage[] = [];
  for await (const image of split.images()) images.push(image);
  return images;
}

async function open(images: Uint8Array, labels?: Uint8Array, limit?: number) {
  const folder = await testFolder();
  const train = {
    images: await put(join(folder, 'images'), images),
    ...(labels ? { labels: await put(join(folder, 'labels'), labels) } : {}),
  };
  return openIdx({ files, train, limit: { train: limit }, maxPixels: 1000 });
}

describe('IDX files', () => {
  it.each([
    ['plain', (bytes: Uint8Array) => bytes],
    ['gzip', (bytes: Uint8Array) => gzipSync(bytes)],
  ])('are read image by image, with their labels (%s)', async (_, packed) => {
    const source = await open(packed(IMAGES), packed(LABELS));
    expect(source.classes).toBe('numbered');
    expect(source.train.count).toBe(3);
    const images = await all(source.train);
    expect(images.map(({ label }) => label)).toEqual([2, 0, 1]);
    expect(images[1]).toMatchObject({
      kind: 'pixels',
      name: 'images#1',
      pixels: { data: noise(12).subarray(4, 8), height: 2, width: 2, channels: 1 },
    });
    expect(await all(source.train)).toHaveLength(3); // again from the start
  });

  it('may lack labels', async () => {
    const source = await open(IMAGES);
    expect(source.classes).toBeNull();
    expect((await all(source.train)).map(({ label }) => label)).toEqual([null, null, null]);
  });

  it('are read up to a limit', async () => {
    const source = await open(IMAGES, LABELS, 2);
    expect(source.train.count).toBe(2);
    expect(await all(source.train)).toHaveLength(2);
  });

  it.each([
    ['no IDX file', Buffer.from('PNG and so on'), 'is no IDX file: it starts with 504e4720'],
    [
      'labels in the place of images',
      LABELS,
      'an array of 1 dimensions; 3 are expected here: images, height, width',
    ],
    ['floats', Buffer.from([0, 0, 0x0d, 3, 0, 0, 0, 0]), 'IDX type 0xd'],
    ['an empty file', new Uint8Array(), 'ends where its magic number should be'],
    ['images without pixels', idx([3, 0, 2], []), 'images of 0 × 2 pixels'],
    [
      'images above the limit',
      idx([1, 100, 100], noise(10000)),
      'images of 100 × 100 pixels; 1 to 1000 are read',
    ],
  ])('are refused by their header: %s', async (_, images, reason) => {
    await expect(open(images)).rejects.toMatchObject({
      code: 'invalid-data',
      detail: expect.stringContaining(reason),
    });
  });

  it('have to hold as many labels as images', async () => {
    await expect(open(IMAGES, idx([2], [0, 1]))).rejects.toThrow('2 labels, but');
  });

  it.each([
    [
      'cut off',
      IMAGES.subarray(0, -1),
      'ends where image 2 of 3 should be: 1 of 4 bytes are missing (at offset 27)',
    ],
    ['with bytes after the end', Buffer.concat([IMAGES, Uint8Array.of(0)]), 'goes on after the 3 entries'],
    ['cut off while packed', gzipSync(IMAGES).subarray(0, -12), 'cannot be read'],
  ])('are refused while they are read, by file and offset: %s', async (_, images, reason) => {
    const source = await open(images, LABELS);
    await expect(all(source.train)).rejects.toMatchObject({
      code: 'invalid-data',
      detail: expect.stringContaining(reason),
    });
  });

  it('have to be there', async () => {
    const missing = join(await testFolder(), 'missing');
    await expect(openIdx({ files, train: { images: missing }, maxPixels: 9 })).rejects.toThrow(
      `${missing} cannot be opened`,
    );
  });

  it('have labels for both splits or for none', async () => {
    const folder = await testFolder();
    const images = await put(join(folder, 'images'), IMAGES);
    const labels = await put(join(folder, 'labels'), LABELS);
    await expect(
      openIdx({ files, train: { images, labels }, test: { images }, maxPixels: 9 }),
    ).rejects.toThrow('Labels are named for the training images only');
  });
});
