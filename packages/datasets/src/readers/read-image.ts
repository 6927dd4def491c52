/** The bytes of an image file that a source refers to. One that cannot be read counts as one that does not decode. */
import { ProblemError } from '@rela/contracts';
import type { Files } from '../files/files.js';
import { DecodeError } from '../image.js';

/** What image files are named like. */
export const IMAGE_ENDINGS = new Set(['.jpg', '.jpeg', '.png', '.webp', '.gif', '.tif', '.tiff']);
export const MAX_FILE_BYTES = 512 * 1024 ** 2;

/** @throws DecodeError with the reason; ProblemError `unavailable` where a whole server does not answer */
export async function readImage(files: Files, path: string): Promise<Uint8Array> {
  try {
    return await files.whole(path, MAX_FILE_BYTES);
  } catch (error) {
    if (error instanceof ProblemError && error.code === 'unavailable') throw error;
    throw new DecodeError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}
