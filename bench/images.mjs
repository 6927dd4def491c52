// Data sets of a bench: photograph-like images, drawn by a seed, written as files and taken in as a user's folder is.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatasetCreate } from '@rela/contracts';
import { ingest } from '@rela/datasets';
import { createRandom } from '@rela/random';
import sharp from 'sharp';

const CLASSES = 10;
const MAX_PIXELS = 64e6;
/** Sides of the coarse picture that each image is an enlargement of: noise alone decodes slower than any photograph. */
const COARSE = 12;

/** One image as the bytes of a file: smooth colours with some grain. */
async function drawn(number, { height, width, format }) {
  const random = createRandom(1, 'image', number);
  const coarse = Uint8Array.from({ length: COARSE * COARSE * 3 }, () => random.int(256));
  const smooth = await sharp(coarse, { raw: { height: COARSE, width: COARSE, channels: 3 } })
    .resize({ height, width, fit: 'fill' })
    .raw()
    .toBuffer();
  const grained = Uint8Array.from(smooth, (value) => Math.max(0, Math.min(255, value + random.int(17) - 8)));
  return sharp(grained, { raw: { height, width, channels: 3 } })
    .toFormat(format)
    .toBuffer();
}

/**
 * @param images { count, height, width, format: jpeg | png, shardSize }
 * @param folder where the files go
 * @param store where the shards go
 * @returns the manifest
 */
export async function makeDataset({ count, shardSize, ...image }, folder, store) {
  for (let number = 0; number < count; number++) {
    const place = join(folder, `class${number % CLASSES}`);
    await mkdir(place, { recursive: true });
    await writeFile(join(place, `${number}.${image.format}`), await drawn(number, image));
  }
  const { manifest } = await ingest({
    dataset: DatasetCreate.parse({ name: 'bench', source: { kind: 'folder', path: folder }, shardSize }),
    cacheFolder: folder,
    maxPixels: MAX_PIXELS,
    write: (bytes) => store.write(bytes),
    signal: new AbortController().signal,
  });
  return manifest;
}
