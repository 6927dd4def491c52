/** npy files and npz archives, as NumPy writes them, good and bad. */
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { createFiles } from '../files/files.js';
import { allOf, noise, npy, put, testFolder, zip } from '../testing/fixtures.js';
import { openNpy, openNpz } from './numpy.js';

const files = createFiles();
const IMAGES = npy('|u1', [3, 2, 2], noise(12));
const LABELS = npy('<i8', [3], new Uint8Array(new BigInt64Array([2n, 0n, 1n]).buffer));

async function open(images: Uint8Array, labels?: Uint8Array) {
  const folder = await testFolder();
  const train = {
    images: await put(join(folder, 'images.npy'), images),
    ...(labels ? { labels: await put(join(folder, 'labels.npy'), labels) } : {}),
  };
  return openNpy({ files, train, maxPixels: 100 });
}

describe('npy files', () => {
  it('are read image by image, with labels of 64 bits', async () => {
    const { classes, train } = await open(IMAGES, LABELS);
    expect([classes, train.count]).toEqual(['numbered', 3]);
    const images = await allOf(train);
    expect(images.map(({ label }) => label)).toEqual([2, 0, 1]);
    expect(images[1]).toMatchObject({
      name: 'images.npy#1',
      pixels: { data: noise(12).subarray(4, 8), height: 2, width: 2, channels: 1 },
    });
  });

  it.each([
    ['grey', 1, [1, 2, 3, 4], [1, 2, 3, 4]],
    ['colour', 3, [1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6]],
    ['transparent, shown over white', 4, [9, 9, 9, 0, 5, 6, 7, 255], [255, 255, 255, 5, 6, 7]],
  ])('may have channels last (%s)', async (_, channels, values, shown) => {
    const { train } = await open(
      npy('|u1', [1, 1, values.length / channels, channels], Uint8Array.from(values)),
    );
    const [image] = await allOf(train);
    expect(image).toMatchObject({
      pixels: { data: Uint8Array.from(shown), channels: channels === 1 ? 1 : 3 },
    });
  });

  it.each([
    ['>u2', Uint8Array.of(0, 2, 0, 1)],
    ['|u1', Uint8Array.of(2, 1)],
    ['<i4', new Uint8Array(Int32Array.of(2, 1).buffer)],
  ])('may have labels of type %s, as a column', async (type, values) => {
    const { train } = await open(npy('|u1', [2, 1, 1], [0, 0]), npy(type, [2, 1], values));
    expect((await allOf(train)).map(({ label }) => label)).toEqual([2, 1]);
  });

  it.each([
    ['Python objects', npy('|O', [3], [0x80, 4]), /Python objects.*pickled.*allow_pickle=False/],
    ['a pickle', Buffer.from([0x80, 4, 0x95, 0, 0, 0, 0, 0, 0]), /is a Python pickle/],
    ['something else', Buffer.from('PNG and so on'), 'is no npy array'],
    ['floats', npy('<f4', [1, 1, 1], [0, 0, 0, 0]), /values of type f4; images are uint8/],
    ['records', npy("[('a', '|u1')]", [1], [0], false), /array of records/],
    [
      'columns first',
      npy('|u1', [1, 2, 2], noise(4)).toString('latin1').replace('False', 'True '),
      /ascontiguousarray/,
    ],
    ['channels first', npy('|u1', [1, 3, 8, 8], noise(192)), /shape \[1, 3, 8, 8\].*transpose\(0, 2, 3, 1\)/],
    ['no images', npy('|u1', [4], noise(4)), /shape \[4\]; images are/],
    ['too many pixels', npy('|u1', [1, 20, 20], noise(400)), /20 × 20 pixels; 1 to 100/],
  ])('are refused by their header: %s', async (_, bytes, reason) => {
    const images = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes;
    await expect(open(images)).rejects.toMatchObject({
      code: 'invalid-data',
      detail: expect.stringMatching(reason),
    });
  });

  it('are refused where labels and images do not go together', async () => {
    await expect(open(IMAGES, npy('|u1', [2], [0, 1]))).rejects.toThrow(
      /labels\.npy holds 2 labels, but .*images\.npy holds 3/,
    );
    await expect(open(IMAGES, npy('<f8', [3], noise(24)))).rejects.toThrow(
      /type f8; labels are whole numbers/,
    );
  });

  it('are refused while they are read where they are cut off', async () => {
    const { train } = await open(IMAGES.subarray(0, -1));
    await expect(allOf(train)).rejects.toThrow('ends where image 2 of 3 should be');
  });
});

describe('npz archives', () => {
  const archive = async (members: Record<string, Uint8Array>, isPacked = true) =>
    put(join(await testFolder(), 'data.npz'), zip(members, isPacked ? deflateRawSync : null));

  it.each([
    ['stored', false],
    ['packed', true],
  ])('are read without being unpacked, by the names that Keras gives (%s)', async (_, isPacked) => {
    const path = await archive(
      { 'x_train.npy': IMAGES, 'y_train.npy': LABELS, 'x_test.npy': IMAGES, 'y_test.npy': LABELS },
      isPacked,
    );
    const { train, test } = await openNpz({ files, path, maxPixels: 100 });
    expect((await allOf(train)).map(({ name, label }) => [name, label])).toEqual([
      ['x_train#0', 2],
      ['x_train#1', 0],
      ['x_train#2', 1],
    ]);
    expect(await allOf(test!)).toHaveLength(3);
  });

  it('are read by the names that MedMNIST gives, or that are given', async () => {
    const medical = await archive({ 'train_images.npy': IMAGES, 'train_labels.npy': LABELS });
    expect((await openNpz({ files, path: medical, maxPixels: 100 })).classes).toBe('numbered');
    const own = await archive({ 'pictures.npy': IMAGES });
    const source = await openNpz({ files, path: own, arrays: { trainImages: 'pictures' }, maxPixels: 100 });
    expect([source.classes, source.train.count, source.test]).toEqual([null, 3, null]);
  });

  it('are refused with the arrays that there are', async () => {
    const path = await archive({ 'pictures.npy': IMAGES });
    await expect(openNpz({ files, path, maxPixels: 100 })).rejects.toThrow(
      /no array "x_train"; it has pictures\. .*source\.arrays\.trainImages/,
    );
  });

  it('are refused where an array is pickled, by its name', async () => {
    const path = await archive({ 'x_train.npy': IMAGES, 'y_train.npy': npy('|O', [3], [0x80, 4]) });
    await expect(openNpz({ files, path, maxPixels: 100 })).rejects.toThrow(
      /data\.npz\[y_train\] holds Python objects/,
    );
  });

  it('are refused where they are none', async () => {
    const path = await put(join(await testFolder(), 'x.npz'), 'no archive');
    await expect(openNpz({ files, path, maxPixels: 100 })).rejects.toMatchObject({
      code: 'invalid-data',
      detail: expect.stringContaining('cannot be read as a zip archive'),
    });
  });
});
