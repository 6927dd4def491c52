/** Images and labels as NumPy arrays: npy files, or the arrays of an npz archive. Row by row, the archive's two arrays side by side. */
import { basename } from 'node:path/posix';
import { ProblemError } from '@rela/contracts';
import { openArchive } from '../files/archive.js';
import type { Files } from '../files/files.js';
import { overWhite } from '../image.js';
import { ByteReader } from './byte-reader.js';
import { Labels } from './labels.js';
import { type ImageArray, imagesIn, integersOf, readNpyHeader } from './npy.js';
import type { Limit, Source, SourceImage, SourceSplit } from './source.js';

export interface NumpyFiles {
  /** uint8 [n, height, width] or [n, height, width, channels] */
  images: string;
  /** whole numbers [n] or [n, 1] */
  labels?: string | undefined;
}

/** Names of the arrays of an archive. */
export interface ArrayNames {
  trainImages?: string | undefined;
  trainLabels?: string | undefined;
  testImages?: string | undefined;
  testLabels?: string | undefined;
}

interface Options {
  files: Files;
  limit?: Limit | undefined;
  classes?: readonly string[] | undefined;
  maxPixels: number;
}

/** Opens an array by the name that a pair of arrays gives it. */
type OpenArray = (name: string) => Promise<ByteReader>;

/** @throws ProblemError `invalid-data` naming the file, here by its header and while it is read */
export async function openNpy(
  options: Options & { train: NumpyFiles; test?: NumpyFiles | undefined },
): Promise<Source> {
  const { files, train, test } = options;
  return openArrays({ ...options, train, test, open: (path) => ByteReader.open(files, path) });
}

/** What Keras, MedMNIST and others call the arrays of a data set. */
const CONVENTIONS = [
  { trainImages: 'x_train', trainLabels: 'y_train', testImages: 'x_test', testLabels: 'y_test' },
  {
    trainImages: 'train_images',
    trainLabels: 'train_labels',
    testImages: 'test_images',
    testLabels: 'test_labels',
  },
  { trainImages: 'images', trainLabels: 'labels', testImages: 'test_images', testLabels: 'test_labels' },
] as const;

/** @throws ProblemError `invalid-data` naming the arrays that there are, where those that are wanted are none of them */
export async function openNpz(
  options: Options & { path: string; arrays?: ArrayNames | undefined },
): Promise<Source> {
  const { files, path, arrays = {} } = options;
  const archive = await openArchive(files, path);
  const there = archive.names.map((name) => name.replace(/\.npy$/, ''));
  const convention =
    CONVENTIONS.find(({ trainImages }) => there.includes(arrays.trainImages ?? trainImages)) ??
    CONVENTIONS[0];
  const named = (key: keyof ArrayNames, isNeeded = false): string | undefined => {
    const name = arrays[key] ?? convention[key];
    if (there.includes(name)) return name;
    if (arrays[key] === undefined && !isNeeded) return undefined;
    throw new ProblemError(
      'invalid-data',
      `${path} has no array "${name}"; it has ${there.join(', ') || 'none'}. Name the right one in source.arrays.${key}.`,
    );
  };
  const train = { images: named('trainImages', true)!, labels: named('trainLabels') };
  const testImages = named('testImages');
  return openArrays({
    ...options,
    train,
    test: testImages === undefined ? undefined : { images: testImages, labels: named('testLabels') },
    open: async (name) => ByteReader.over(`${path}[${name}]`, await archive.stream(`${name}.npy`)),
  });
}

async function openArrays(
  options: Omit<Options, 'files'> & { train: NumpyFiles; test: NumpyFiles | undefined; open: OpenArray },
): Promise<Source> {
  const { train, test, limit, classes, maxPixels, open } = options;
  if (test && (test.labels === undefined) !== (train.labels === undefined))
    throw new ProblemError(
      'invalid-data',
      `There are labels for the ${train.labels === undefined ? 'test' : 'training'} images only. Name them for both splits, or for neither.`,
    );
  const labels = new Labels(classes);
  const split = (named: NumpyFiles, most: number | undefined) =>
    openSplit({ named, most, labels, maxPixels, open });
  return {
    classes: train.labels === undefined ? null : (classes?.slice() ?? 'numbered'),
    train: await split(train, limit?.train),
    test: test ? await split(test, limit?.test) : null,
  };
}

interface SplitOptions {
  named: NumpyFiles;
  most: number | undefined;
  labels: Labels;
  maxPixels: number;
  open: OpenArray;
}

async function openSplit(options: SplitOptions): Promise<SourceSplit> {
  const { most } = options;
  const opened = await openPair(options);
  await opened.close();
  const count = Math.min(most ?? opened.count, opened.count);
  return {
    count,
    async *images(signal) {
      const pair = await openPair(options);
      try {
        for (let index = 0; index < count; index++) {
          signal?.throwIfAborted();
          yield await pair.next(index);
        }
      } finally {
        await pair.close();
      }
    },
  };
}

interface Pair {
  count: number;
  next(index: number): Promise<SourceImage>;
  close(): Promise<void>;
}

async function openPair({ named, labels, maxPixels, open }: SplitOptions): Promise<Pair> {
  const readers: ByteReader[] = [];
  const close = async () => {
    for (const reader of readers) await reader.close();
  };
  const opened = async (name: string) => {
    const reader = await open(name);
    readers.push(reader);
    return reader;
  };
  try {
    const reader = await opened(named.images);
    const array = imagesIn(reader, await readNpyHeader(reader), maxPixels);
    const nextLabel =
      named.labels === undefined
        ? null
        : await openLabels(await opened(named.labels), array.count, named.images);
    const bytes = array.height * array.width * array.channels;
    const file = basename(named.images);
    return {
      count: array.count,
      close,
      async next(index) {
        const name = `${file}#${index}`;
        const data = await reader.take(bytes, `image ${index} of ${array.count}`);
        const label = nextLabel && labels.number(await nextLabel(`label ${index} of ${array.count}`), name);
        return { name, label, kind: 'pixels', pixels: pixelsOf(data, array) };
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function openLabels(
  reader: ByteReader,
  count: number,
  images: string,
): Promise<(what: string) => Promise<number>> {
  const header = await readNpyHeader(reader);
  const [rows, columns = 1] = header.shape;
  if (header.shape.length > 2 || columns !== 1)
    throw reader.problem(`has the shape [${header.shape.join(', ')}]; labels are [n] or [n, 1]`);
  if (rows !== count) throw reader.problem(`holds ${rows} labels, but ${images} holds ${count} images`);
  return integersOf(reader, header);
}

function pixelsOf(data: Uint8Array, { height, width, channels }: ImageArray) {
  return channels === 4
    ? { data: overWhite(data), height, width, channels: 3 as const }
    : { data, height, width, channels };
}
