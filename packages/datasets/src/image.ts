/** Decoded images, and how the bytes of an image file become one. */
import sharp from 'sharp';

export interface DecodedImage {
  /** [height, width, channels], 8 bits each: sRGB, or grey. */
  data: Uint8Array;
  height: number;
  width: number;
  channels: 1 | 3;
}

export interface LabelledImage extends DecodedImage {
  /** null without labels */
  label: number | null;
}

/** An image's bytes do not give an image. The message is the reason, without the image's name. */
export class DecodeError extends Error {
  readonly code = 'undecodable';
  override readonly name = 'DecodeError';
}

/** libvips has loaders for many more, of which some read other files. No byte of a stranger's image reaches them. */
const LOADERS = ['Jpeg', 'Png', 'Webp', 'Nsgif', 'Tiff'];
sharp.block({ operation: ['VipsForeignLoad'] });
sharp.unblock({ operation: LOADERS.map((name) => `VipsForeignLoad${name}`) });

const FORMATS = 'JPEG, PNG, WebP, GIF and TIFF';

/** What shows through where an image is transparent: the page that it lies on. */
const GROUND = 255;

/**
 * Decodes a file as a viewer would show it: turned as EXIF says, over white where it is transparent, 16 bits rounded to 8, colour as
 * sRGB (CMYK too), one channel where the file is grey, of an animation the first frame.
 * @param maxPixels larger images are refused before they are decoded
 * @throws DecodeError with the reason
 */
export async function decodeImage(bytes: Uint8Array, maxPixels: number): Promise<DecodedImage> {
  try {
    // 'error' lets pass what other readers let pass too, such as stray bytes between JPEG markers, but not a truncated file.
    const image = sharp(bytes, { limitInputPixels: maxPixels, failOn: 'error', autoOrient: true });
    const { channels } = await image.metadata();
    const { data, info } = await image
      .flatten({ background: { r: GROUND, g: GROUND, b: GROUND } })
      .toColourspace(channels <= 2 ? 'b-w' : 'srgb')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    const read = info.channels === 1 ? 1 : 3;
    return { data, height: info.height, width: info.width, channels: read };
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n')[0]! : String(error);
    const isForeign = reason.includes('unsupported image format');
    throw new DecodeError(isForeign ? `is in no format that is read: ${FORMATS} are` : reason, {
      cause: error,
    });
  }
}

/** The image with 3 channels, each the grey one, where it has 1 and 3 are asked for; else the image itself. */
export function withChannels(image: DecodedImage, channels: 1 | 3): DecodedImage {
  if (image.channels === channels || channels === 1) return image;
  const data = new Uint8Array(image.data.length * 3);
  for (let index = 0; index < image.data.length; index++)
    data.fill(image.data[index]!, index * 3, index * 3 + 3);
  return { ...image, data, channels: 3 };
}

/** Pixels [n, 4] over white: [n, 3]. */
export function overWhite(rgba: Uint8Array): Uint8Array {
  const data = new Uint8Array((rgba.length / 4) * 3);
  for (let pixel = 0; pixel < rgba.length / 4; pixel++) {
    const alpha = rgba[4 * pixel + 3]! / 255;
    for (let channel = 0; channel < 3; channel++)
      data[3 * pixel + channel] = Math.round(rgba[4 * pixel + channel]! * alpha + GROUND * (1 - alpha));
  }
  return data;
}
