// A small labelled data set, drawn from a seed and written as IDX files: bars and squares at random places, with noise.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createRandom } from '@rela/random';

export const SHAPE_CLASSES = 4;

/**
 * @param {number} kind
 * @param {number} size
 * @param {number} seed
 * @param {number} index
 */
function drawShape(kind, size, seed, index) {
  const random = createRandom(seed, 'shape', index);
  const pixels = new Uint8Array(size * size).map(() => random.int(40));
  const side = Math.floor(size / 2);
  const left = random.int(size - side);
  const top = random.int(size - side);
  /** @param {[number, number, number, number]} edges */
  const fill = (...[x0, x1, y0, y1]) => {
    for (let y = y0; y < y1; y++) for (let x = x0; x < x1; x++) pixels[y * size + x] = 180 + random.int(70);
  };
  if (kind === 0) fill(left, left + side, top, top + 2);
  else if (kind === 1) fill(left, left + 2, top, top + side);
  else if (kind === 2) fill(left, left + side, top, top + side);
  else for (let step = 0; step < side; step++) fill(left + step, left + step + 2, top + step, top + step + 2);
  return pixels;
}

/**
 * @param {number} type
 * @param {number[]} dimensions
 * @param {Uint8Array} data
 */
function idx(type, dimensions, data) {
  const header = Buffer.alloc(4 + 4 * dimensions.length);
  header.writeUInt8(type, 2);
  header.writeUInt8(dimensions.length, 3);
  for (const [at, size] of dimensions.entries()) header.writeUInt32BE(size, 4 + 4 * at);
  return Buffer.concat([header, data]);
}

const UNSIGNED_BYTE = 0x08;

/**
 * @param {string} folder
 * @param {{ count: number; size?: number; seed?: number; classes?: number }} options
 */
export async function writeShapes(folder, { count, size = 16, seed = 1, classes = SHAPE_CLASSES }) {
  await mkdir(folder, { recursive: true });
  const labels = Uint8Array.from({ length: count }, (_, index) => index % classes);
  const pixels = Buffer.concat([...labels].map((label, index) => drawShape(label, size, seed, index)));
  const files = { images: join(folder, 'images.idx'), labels: join(folder, 'labels.idx') };
  await writeFile(files.images, idx(UNSIGNED_BYTE, [count, size, size], pixels));
  await writeFile(files.labels, idx(UNSIGNED_BYTE, [count], labels));
  return files;
}
