/** Decoding, against images that sharp has made. */
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { DecodeError, decodeImage, overWhite, withChannels } from './image.js';
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

  it.each([
    [
      'colour',
      [200, 100, 0, 255, 200, 100, 0, 0, 200, 100, 0, 128],
      [200, 100, 0, 255, 255, 255, 227, 177, 127],
    ],
    ['grey', [60, 255, 60, 0, 60, 128], [60, 255, 157]],
  ])('shows white where an image is transparent (%s)', async (_, pixels, shown) => {
    const channels = (pixels.length / 3) as 2 | 4;
    const raw = { height: 1, width: 3, channels };
    const image = sharp(Uint8Array.from(pixels), { raw });
    const file = await (channels === 2 ? image.toColourspace('b-w') : image).png().toBuffer();
    expect((await sharp(file).metadata()).channels).toBe(channels);
    const decoded = await decodeImage(file, LIMIT);
    expect(decoded.channels).toBe(channels - 1);
    for (const [index, value] of shown.entries())
      expect(Math.abs(decoded.data[index]! - value)).toBeLessThanOrEqual(1);
    if (channels === 4)
      expect([...overWhite(Uint8Array.from(pixels))]).toEqual(
        shown.map((value) => expect.closeTo(value, -0.5)),
      );
  });

  it('shows white where 16 bits are transparent', async () => {
    const values = Uint16Array.from([40000, 20000, 0, 65535, 40000, 20000, 0, 0]);
    const image = sharp(values, { raw: { height: 1, width: 2, channels: 4 } }).toColourspace('rgb16');
    const decoded = await decodeImage(await image.png().toBuffer(), LIMIT);
    expect([...decoded.data]).toEqual(
      [156, 78, 0, 255, 255, 255].map((value) => expect.closeTo(value, -0.5)),
    );
  });

  it('reads the colours of a palette', async () => {
    const raw = { height: 2, width: 2, channels: 3 } as const;
    const colours = Uint8Array.from([255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 0]);
    const file = await sharp(colours, { raw }).png({ palette: true, colours: 4, dither: 0 }).toBuffer();
    expect((await sharp(file).metadata()).isPalette).toBe(true);
    const decoded = await decodeImage(file, LIMIT);
    expect(decoded).toMatchObject({ height: 2, width: 2, channels: 3 });
    for (const [index, value] of colours.entries())
      expect(Math.abs(decoded.data[index]! - value)).toBeLessThan(6);
  });

  it('gives the colours of a CMYK JPEG', async () => {
    const create = { width: 16, height: 16, channels: 3, background: { r: 200, g: 60, b: 40 } } as const;
    const file = await sharp({ create }).toColourspace('cmyk').jpeg({ quality: 100 }).toBuffer();
    expect(await sharp(file).metadata()).toMatchObject({ space: 'cmyk', channels: 4 });
    const decoded = await decodeImage(file, LIMIT);
    expect(decoded).toMatchObject({ height: 16, width: 16, channels: 3 });
    const [red, green, blue] = decoded.data;
    // Print shows fewer colours than a screen: near is what can be had.
    expect(Math.abs(red! - 200)).toBeLessThan(40);
    expect(Math.abs(green! - 60)).toBeLessThan(40);
    expect(Math.abs(blue! - 40)).toBeLessThan(40);
  });

  it.each(['gif', 'webp'] as const)('shows the first frame of an animation (%s)', async (format) => {
    const frame = (red: number) =>
      sharp({ create: { width: 8, height: 6, channels: 3, background: { r: red, g: 0, b: 0 } } })
        .png()
        .toBuffer();
    const animated = sharp([await frame(255), await frame(0)], { join: { animated: true } });
    const file = await (format === 'gif' ? animated.gif() : animated.webp({ lossless: true })).toBuffer();
    expect((await sharp(file).metadata()).pages).toBe(2);
    const decoded = await decodeImage(file, LIMIT);
    expect(decoded).toMatchObject({ height: 6, width: 8, channels: 3 });
    expect(decoded.data[0]).toBe(255);
  });

  it('reads TIFF', async () => {
    const decoded = await decodeImage(await colour.clone().tiff({ compression: 'lzw' }).toBuffer(), LIMIT);
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

  // How a camera of each orientation stores [[10, 20, 30], [40, 50, 60]] (EXIF 2.3, tag 0x0112: where row 0 and column 0 are).
  it.each([
    [1, 3, [10, 20, 30, 40, 50, 60]],
    [2, 3, [30, 20, 10, 60, 50, 40]],
    [3, 3, [60, 50, 40, 30, 20, 10]],
    [4, 3, [40, 50, 60, 10, 20, 30]],
    [5, 2, [10, 40, 20, 50, 30, 60]],
    [6, 2, [30, 60, 20, 50, 10, 40]],
    [7, 2, [60, 30, 50, 20, 40, 10]],
    [8, 2, [40, 10, 50, 20, 60, 30]],
  ])('turns the image as EXIF says (%i)', async (orientation, width, stored) => {
    const pixels = Uint8Array.from(stored.flatMap((value) => [value, value, value]));
    const file = await sharp(pixels, { raw: { width, height: 6 / width, channels: 3 } })
      .withMetadata({ orientation })
      .png()
      .toBuffer();
    const decoded = await decodeImage(file, LIMIT);
    expect(decoded).toMatchObject({ height: 2, width: 3 });
    expect([...decoded.data].filter((_, index) => index % 3 === 0)).toEqual([10, 20, 30, 40, 50, 60]);
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
    await expect(decodeImage(svg, LIMIT)).rejects.toThrow('is in no format that is read: JPEG');
    // Not its loader is asked and then refused: it is not there.
    await expect(sharp(svg).metadata()).rejects.toThrow('unsupported image format');
  });

  it('repeats the grey channel where three are asked for', () => {
    const image = { data: Uint8Array.of(1, 2), height: 1, width: 2, channels: 1 } as const;
    expect(withChannels(image, 3)).toMatchObject({ channels: 3, data: Uint8Array.of(1, 1, 1, 2, 2, 2) });
    expect(withChannels(image, 1)).toBe(image);
  });
});
