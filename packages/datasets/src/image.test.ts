/** Decoding, against images that sharp has made. */
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { DecodeError, decodeImage, withChannels } from './image.js';
import { noise } from './testing/fixtures.js';

const LIMIT = 1e6;
const colour = sharp(noise(5 * 4 * 3), { raw: { height: 5, width: 4, channels: 3 } });

describe('decoding', () => {
  it('gives the pixels of a lossless image as they were', async () => {
    const decoded = await decodeImage(await colour.clone().png().toBuffer(), LIMIT);
    expect(decoded).toMatchObject({ height: 5, width: 4, channels: 3 });
    expect(Buffer.compare(decoded.data, noise(60))).toBe(0);
    const webp = await decodeImage(await colour.clone().webp({ lossless: true }).toBuffer(), LIMIT);
    expect(Buffer.compare(webp.data, noise(60))).toBe(0);
  });

  it('gives one channel where the file is grey', async () => {
    const grey = sharp(noise(20), { raw: { height: 5, width: 4, channels: 1 } }).toColourspace('b-w');
    const fromPng = await decodeImage(await grey.clone().png().toBuffer(), LIMIT);
    expect(fromPng.channels).toBe(1);
    expect(Buffer.compare(fromPng.data, noise(20))).toBe(0);
    expect((await decodeImage(await grey.clone().jpeg().toBuffer(), LIMIT)).channels).toBe(1);
  });

  it('drops transparency', async () => {
    const withAlpha = await colour.clone().ensureAlpha(0.5).png().toBuffer();
    const decoded = await decodeImage(withAlpha, LIMIT);
    expect(decoded.channels).toBe(3);
    expect(Buffer.compare(decoded.data, noise(60))).toBe(0);
  });

  it.each([
    ['rgb16', 3],
    ['grey16', 1],
  ] as const)('rounds 16 bits to 8 (%s)', async (space, channels) => {
    const values = Uint16Array.from(noise(20 * channels), (value) => value * 257);
    const raw = { height: 5, width: 4, channels };
    const file = await sharp(values, { raw }).toColourspace(space).png().toBuffer();
    expect((await sharp(file).metadata()).depth).toBe('ushort');
    const decoded = await decodeImage(file, LIMIT);
    expect(decoded.channels).toBe(channels);
    expect(Buffer.compare(decoded.data, noise(20 * channels))).toBe(0);
  });

  it('turns the image as EXIF says', async () => {
    const file = await colour.clone().withMetadata({ orientation: 6 }).jpeg({ quality: 100 }).toBuffer();
    expect(await decodeImage(file, LIMIT)).toMatchObject({ height: 4, width: 5 });
  });

  it('refuses an image of more pixels than the limit, by its header', async () => {
    const file = await colour.clone().png().toBuffer();
    await expect(decodeImage(file, 19)).rejects.toThrow(/pixel limit/i);
    await expect(decodeImage(file, 20)).resolves.toMatchObject({ height: 5 });
  });

  it('says why bytes are no image', async () => {
    const jpeg = await sharp(noise(64 * 64 * 3), { raw: { height: 64, width: 64, channels: 3 } })
      .jpeg()
      .toBuffer();
    await expect(decodeImage(Buffer.from('no image'), LIMIT)).rejects.toThrow(DecodeError);
    await expect(decodeImage(jpeg.subarray(0, jpeg.length / 2), LIMIT)).rejects.toThrow(DecodeError);
    await expect(decodeImage(new Uint8Array(), LIMIT)).rejects.toThrow(DecodeError);
  });

  it('reads no format that can refer to other files', async () => {
    const svg = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>');
    await expect(decodeImage(svg, LIMIT)).rejects.toThrow('is svg');
  });

  it('repeats the grey channel where three are asked for', () => {
    const image = { data: Uint8Array.of(1, 2), height: 1, width: 2, channels: 1 } as const;
    expect(withChannels(image, 3)).toMatchObject({ channels: 3, data: Uint8Array.of(1, 1, 1, 2, 2, 2) });
    expect(withChannels(image, 1)).toBe(image);
  });
});
