/** WebDataset: tar archives in which the files of a sample share their name up to the first dot, and stand together. */
import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { type Pack, pack } from 'tar-stream';
import { encodedImage } from './encoded-image.js';
import { npyArray } from './npy.js';
import type { ExportRow } from './rows.js';
import type { ShardFormat } from './shard-format.js';

/** Equal rows give equal archives. */
const TIME = new Date(0);
const DIGITS = 9;

async function filesOf({ index, key, label, target, image }: ExportRow): Promise<[string, Uint8Array][]> {
  const files: [string, Uint8Array][] = [];
  if (image) {
    const { bytes, extension } = await encodedImage(image);
    files.push([extension, bytes]);
  }
  if (label !== null) files.push(['cls', Buffer.from(String(label))]);
  if (key !== null) files.push(['json', Buffer.from(JSON.stringify({ index, key }))]);
  files.push(['target.npy', npyArray('<f4', [target.length], target)]);
  return files;
}

/** Resolves when the archive has taken the file, which it does at the pace of the disk. */
function add(archive: Pack, name: string, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    const entry = archive.entry({ name, size: bytes.length, mtime: TIME }, (error) =>
      error ? reject(error) : resolve(),
    );
    entry.end(bytes);
  });
}

export const webdataset: ShardFormat = {
  files: (number, total) => [`shard-${number}-of-${total}.tar`],

  async write(paths, rows) {
    const archive = pack();
    const written = pipeline(archive, createWriteStream(paths[0]!, { flush: true }));
    const fill = async () => {
      for await (const row of rows) {
        const stem = String(row.index).padStart(DIGITS, '0');
        for (const [extension, bytes] of await filesOf(row))
          await add(archive, `${stem}.${extension}`, bytes);
      }
      archive.finalize();
      await written;
    };
    // A disk that is full ends the archive under the rows: its own error is the one to tell.
    try {
      await Promise.race([fill(), written.then(() => new Promise<never>(() => undefined))]);
    } catch (error) {
      archive.destroy();
      await written.catch(() => undefined);
      throw error;
    }
  },
};
