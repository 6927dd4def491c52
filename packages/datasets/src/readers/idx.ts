/** IDX files, the format of MNIST (LeCun, Cortes, Burges; yann.lecun.com/exdb/mnist): a header of big-endian numbers, then bytes. */
import { basename } from 'node:path';
import { ProblemError } from '@rela/contracts';
import type { Files } from '../files/files.js';
import { ByteReader } from './byte-reader.js';
import type { Limit, Source, SourceImage, SourceSplit } from './source.js';

export interface IdxFiles {
  /** Unsigned bytes [n, height, width]. */
  images: string;
  /** Unsigned bytes [n]. */
  labels?: string | undefined;
}

const UNSIGNED_BYTE = 0x08;

/**
 * Opens IDX files and checks their headers.
 * @param maxPixels larger images are refused
 * @throws ProblemError `invalid-data` naming file and offset; here, and while the images are read
 */
export async function openIdx(options: {
  files: Files;
  train: IdxFiles;
  test?: IdxFiles | undefined;
  limit?: Limit | undefined;
  maxPixels: number;
}): Promise<Source> {
  const { files, train, test, limit, maxPixels } = options;
  const isLabelled = train.labels !== undefined;
  if (test && (test.labels !== undefined) !== isLabelled)
    throw new ProblemError(
      'invalid-data',
      `Labels are named for the ${isLabelled ? 'training' : 'test'} images only. Name them for both splits, or for neither.`,
    );
  return {
    classes: isLabelled ? 'numbered' : null,
    train: await openSplitFiles(files, train, limit?.train, maxPixels),
    test: test ? await openSplitFiles(files, test, limit?.test, maxPixels) : null,
  };
}

async function openSplitFiles(
  files: Files,
  named: IdxFiles,
  limit: number | undefined,
  maxPixels: number,
): Promise<SourceSplit> {
  const opened = await openPair(files, named, maxPixels);
  await opened.close();
  const count = Math.min(limit ?? opened.count, opened.count);
  return {
    count,
    async *images(signal) {
      const pair = await openPair(files, named, maxPixels);
      try {
        for (let index = 0; index < count; index++) {
          signal?.throwIfAborted();
          yield await pair.next(index);
        }
        if (count === pair.count) await pair.assertEnd();
      } finally {
        await pair.close();
      }
    },
  };
}

interface Pair {
  count: number;
  next(index: number): Promise<SourceImage>;
  assertEnd(): Promise<void>;
  close(): Promise<void>;
}

async function openPair(files: Files, named: IdxFiles, maxPixels: number): Promise<Pair> {
  const images = await ByteReader.open(files, named.images);
  let labels: ByteReader | null = null;
  const close = async () => {
    await images.close();
    await labels?.close();
  };
  try {
    const [count, height, width] = await readHeader(images, ['images', 'height', 'width']);
    if (height * width === 0 || height * width > maxPixels)
      throw images.problem(`holds images of ${height} × ${width} pixels; 1 to ${maxPixels} are read`);
    if (named.labels !== undefined) {
      labels = await ByteReader.open(files, named.labels);
      const [labelCount] = await readHeader(labels, ['labels']);
      if (labelCount !== count)
        throw labels.problem(`holds ${labelCount} labels, but ${named.images} holds ${count} images`);
    }
    const file = basename(named.images);
    return {
      count,
      close,
      async next(index) {
        const data = await images.take(height * width, `image ${index} of ${count}`);
        const label = labels && (await labels.take(1, `label ${index} of ${count}`))[0]!;
        return {
          name: `${file}#${index}`,
          label,
          kind: 'pixels',
          pixels: { data, height, width, channels: 1 },
        };
      },
      async assertEnd() {
        for (const reader of [images, labels])
          if (reader && !(await reader.atEnd()))
            throw reader.problem(`goes on after the ${count} entries that its header announces`);
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The sizes of an IDX file, one a name. */
async function readHeader<const N extends readonly string[]>(
  reader: ByteReader,
  names: N,
): Promise<{ [K in keyof N]: number }> {
  const magic = await reader.take(4, 'its magic number');
  if (magic[0] !== 0 || magic[1] !== 0)
    throw reader.problem(
      `is no IDX file: it starts with ${Buffer.from(magic).toString('hex')}, not with 0000`,
    );
  if (magic[2] !== UNSIGNED_BYTE)
    throw reader.problem(
      `holds numbers of IDX type 0x${magic[2]!.toString(16)}; unsigned bytes (0x8) are read`,
    );
  if (magic[3] !== names.length)
    throw reader.problem(
      `holds an array of ${magic[3]} dimensions; ${names.length} are expected here: ${names.join(', ')}`,
    );
  const sizes = Buffer.from((await reader.take(4 * names.length, 'its sizes')).buffer);
  return names.map((_, index) => sizes.readUInt32BE(4 * index)) as { [K in keyof N]: number };
}
