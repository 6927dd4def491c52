/** NumPy arrays (NumPy Enhancement Proposal 1), one file a quantity, which `numpy.load(…, mmap_mode='r')` maps. */
import { type FileHandle, open, writeFile } from 'node:fs/promises';
import { decodeImage, withChannels } from '../image.js';
import type { StoredImage } from '../shards/shard.js';
import type { ShardFormat } from './shard-format.js';

const ALIGNMENT = 64;
/** Rows are collected to pieces of about this size. */
const PIECE_BYTES = 4 * 1024 ** 2;

/** @param type such as `<f4` */
export function npyHeader(type: string, shape: number[]): Buffer {
  const tuple = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const text = `{'descr': '${type}', 'fortran_order': False, 'shape': (${tuple}), }`;
  const length = Math.ceil((10 + text.length + 1) / ALIGNMENT) * ALIGNMENT - 10;
  const prefix = Buffer.from([0x93, ...Buffer.from('NUMPY'), 1, 0, length & 0xff, length >> 8]);
  return Buffer.concat([prefix, Buffer.from(`${text.padEnd(length - 1)}\n`)]);
}

/** A whole array of one dimension or more, little endian. */
export function npyArray(type: string, shape: number[], data: ArrayBufferView): Buffer {
  return Buffer.concat([
    npyHeader(type, shape),
    new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  ]);
}

/** An array that grows row by row. */
class ArrayFile {
  #pieces: Uint8Array[] = [];
  #bytes = 0;

  private constructor(private readonly file: FileHandle) {}

  static async create(path: string, type: string, shape: number[]): Promise<ArrayFile> {
    const array = new ArrayFile(await open(path, 'w'));
    await array.append(npyHeader(type, shape));
    return array;
  }

  async append(bytes: Uint8Array): Promise<void> {
    this.#pieces.push(bytes);
    this.#bytes += bytes.length;
    if (this.#bytes >= PIECE_BYTES) await this.#flush();
  }

  async finish(): Promise<void> {
    await this.#flush();
    await this.file.datasync();
  }

  async close(): Promise<void> {
    await this.file.close();
  }

  async #flush(): Promise<void> {
    await this.file.writeFile(Buffer.concat(this.#pieces));
    this.#pieces = [];
    this.#bytes = 0;
  }
}

const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView) =>
  new Uint8Array(buffer, byteOffset, byteLength);

async function pixels(image: StoredImage, channels: 1 | 3): Promise<Uint8Array> {
  const { blob, shape } = image;
  const decoded = shape
    ? { data: blob, height: shape[0], width: shape[1], channels: shape[2] }
    : await decodeImage(blob, 2 ** 31);
  return withChannels(decoded, channels).data;
}

export const npy: ShardFormat = {
  files: (number, _total, { labels, classes, images }) => [
    `targets-${number}.npy`,
    `index-${number}.npy`,
    ...(labels ? [`keys-${number}.json`] : []),
    ...(labels && classes ? [`labels-${number}.npy`] : []),
    ...(images ? [`images-${number}.npy`] : []),
  ],

  async write(paths, rows, count, { k, labels, classes, images, channels, imageSize }) {
    const [targetPath, indexPath, ...others] = paths as [string, string, ...string[]];
    const keyPath = labels ? others.shift() : undefined;
    const labelPath = labels && classes ? others.shift() : undefined;
    const imagePath = others.shift();
    const shape = images && imageSize ? [imageSize.height, imageSize.width, channels] : null;
    const index = new BigInt64Array(count);
    const numbers = new BigInt64Array(count);
    const keys: string[] = [];
    const targetFile = await ArrayFile.create(targetPath, '<f4', [count, k]);
    let imageFile: ArrayFile | null = null;
    try {
      if (shape && imagePath) imageFile = await ArrayFile.create(imagePath, '|u1', [count, ...shape]);
      for await (const row of rows) {
        index[keys.length] = BigInt(row.index);
        numbers[keys.length] = BigInt(row.label ?? -1);
        keys.push(row.key ?? String(row.index));
        await targetFile.append(bytesOf(row.target));
        if (imageFile && row.image) await imageFile.append(await pixels(row.image, channels));
      }
      await targetFile.finish();
      await imageFile?.finish();
    } finally {
      await targetFile.close();
      await imageFile?.close();
    }
    await writeFile(indexPath, npyArray('<i8', [count], index));
    if (labelPath) await writeFile(labelPath, npyArray('<i8', [count], numbers));
    if (keyPath) await writeFile(keyPath, JSON.stringify(keys));
  },
};
