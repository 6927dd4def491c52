/** Decoded images, and how the bytes of a JPEG, PNG or WebP file become one. */
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

const FORMATS = new Set<string>(['jpeg', 'png', 'webp']);

/**
 * Decodes a file as a viewer would show it: turned as EXIF says, transparency dropped, 16 bits rounded to 8, colour as sRGB, one
 * channel where the file is grey.
 * @param maxPixels larger images are refused before they are decoded
 * @throws DecodeError with the reason
 */
export async function decodeImage(bytes: Uint8Array, maxPixels: number): Promise<DecodedImage> {
  try {
    // 'error' lets pass what other readers let pass too, such as stray bytes between JPEG markers, but not a truncated file.
    const image = sharp(bytes, { limitInputPixels: maxPixels, failOn: 'error', autoOrient: true });
    const { format, channels } = await image.metadata();
    if (!FORMATS.has(format)) throw new DecodeError(`is ${format}; JPEG, PNG and WebP are read`);
    const { data, info } = await image
      .removeAlpha()
      .toColourspace(channels <= 2 ? 'b-w' : 'srgb')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    const read = info.channels === 1 ? 1 : 3;
    return { data, height: info.height, width: info.width, channels: read };
  } catch (error) {
    if (error instanceof DecodeError) throw error;
    const reason = error instanceof Error ? error.message.split('\n')[0]! : String(error);
    throw new DecodeError(reason, { cause: error });
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
