/** Where the files of an export go: a folder of this machine, or a prefix in a bucket. A file appears under its name when it is whole. */
import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { Bucket } from '../files/bucket.js';

export interface ExportPlace {
  /** As a person names it. */
  readonly name: string;
  /** A folder of this machine for what is needed for a moment; its files may be those of the export. */
  scratch(): Promise<string>;
  /** null where there is no such file. */
  read(file: string): Promise<string | null>;
  has(file: string): Promise<boolean>;
  write(file: string, text: string): Promise<void>;
  remove(file: string): Promise<void>;
  /** Lets `fill` write files of this machine, which then appear under these names. */
  add(files: string[], fill: (paths: string[]) => Promise<void>): Promise<void>;
  close(): Promise<void>;
}

const PARTIAL = '.part';

/** Fills partial files, hands each over under its name, and leaves none behind where that fails. */
async function throughPartial(
  folder: string,
  files: string[],
  fill: (paths: string[]) => Promise<void>,
  handOver: (partial: string, file: string) => Promise<void>,
): Promise<void> {
  const partial = files.map((file) => join(folder, file + PARTIAL));
  try {
    await fill(partial);
    for (const [at, file] of files.entries()) await handOver(partial[at]!, file);
  } finally {
    for (const path of partial) await rm(path, { force: true });
  }
}

async function orNull<T>(found: Promise<T>): Promise<T | null> {
  try {
    return await found;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

/** @param folder is made where it is not there */
export function folderPlace(folder: string): ExportPlace {
  const pathOf = (file: string) => join(folder, file);
  const add: ExportPlace['add'] = (files, fill) =>
    throughPartial(folder, files, fill, (partial, file) => rename(partial, pathOf(file)));
  return {
    name: folder,
    async scratch() {
      await mkdir(folder, { recursive: true });
      return folder;
    },
    read: (file) => orNull(readFile(pathOf(file), 'utf8')),
    has: async (file) => (await orNull(stat(pathOf(file)))) !== null,
    write: (file, text) => add([file], ([path]) => writeFile(path!, text)),
    remove: (file) => rm(pathOf(file), { force: true }),
    add,
    close: async () => undefined,
  };
}

/** What writing needs of a bucket; who exports brings one. */
export interface WritableBucket extends Pick<Bucket, 'size' | 'get'> {
  put(key: string, text: string): Promise<void>;
  /** Visible as a whole or not at all. */
  upload(key: string, bytes: number, body: Readable, signal?: AbortSignal): Promise<void>;
  remove(key: string): Promise<void>;
}

/** @param name such as `s3://bucket/prefix` @param prefix of the keys, without slashes at its ends */
export function bucketPlace(
  { name, prefix, bucket }: { name: string; prefix: string; bucket: WritableBucket },
  signal?: AbortSignal,
): ExportPlace {
  const keyOf = (file: string) => (prefix === '' ? file : `${prefix}/${file}`);
  let folder: Promise<string> | null = null;
  const scratch = () => {
    folder ??= mkdtemp(join(tmpdir(), 'rela-export-'));
    return folder;
  };
  return {
    name,
    scratch,
    async read(file) {
      const found = await bucket.get(keyOf(file));
      return found && (await buffer(found.body)).toString('utf8');
    },
    has: async (file) => (await bucket.size(keyOf(file))) !== null,
    write: (file, text) => bucket.put(keyOf(file), text),
    remove: (file) => bucket.remove(keyOf(file)),
    add: async (files, fill) =>
      throughPartial(await scratch(), files, fill, async (partial, file) => {
        const { size } = await stat(partial);
        await bucket.upload(keyOf(file), size, createReadStream(partial), signal);
      }),
    async close() {
      if (folder) await rm(await folder, { recursive: true, force: true });
    },
  };
}
