/** An image as a file that every reader of images takes. */
import sharp from 'sharp';
import type { StoredImage } from '../shards/shard.js';

export interface EncodedImage {
  bytes: Uint8Array;
  /** Such as `png`, without a dot. */
  extension: string;
}

const SIGNS: [sign: RegExp, extension: string][] = [
  [/^\xff\xd8\xff/, 'jpg'],
  [/^\x89PNG/, 'png'],
  [/^RIFF[\s\S]{4}WEBP/, 'webp'],
  [/^GIF8/, 'gif'],
  [/^(II\*\0|MM\0\*)/, 'tif'],
];

/** A file as it is; pixels as PNG, which loses nothing. */
export async function encodedImage({ blob, shape }: StoredImage): Promise<EncodedImage> {
  if (shape) {
    const [height, width, channels] = shape;
    return {
      bytes: await sharp(blob, { raw: { height, width, channels } })
        .toColourspace(channels === 1 ? 'b-w' : 'srgb')
        .png()
        .toBuffer(),
      extension: 'png',
    };
  }
  const start = Buffer.from(blob.subarray(0, 12)).toString('latin1');
  return { bytes: blob, extension: SIGNS.find(([sign]) => sign.test(start))?.[1] ?? 'img' };
}
