/**
 * CIFAR-10 and CIFAR-100 in the binary version (Krizhevsky; cs.toronto.edu/~kriz/cifar.html): files of records, each one label byte
 * (CIFAR-10) or a coarse and a fine one (CIFAR-100), then 3 × 32 × 32 bytes, plane by plane.
 */
import { basename } from 'node:path/posix';
import { ProblemError } from '@rela/contracts';
import type { Files } from '../files/files.js';
import { inside } from '../files/paths.js';
import { ByteReader } from './byte-reader.js';
import type { Limit, Source, SourceImage, SourceSplit } from './source.js';

const SIDE = 32;
const PLANE = SIDE * SIDE;
const PIXELS = 3 * PLANE;
const MAX_NAMES_BYTES = 2 ** 20;

interface Variant {
  train: RegExp;
  test: string;
  /** Label bytes of a record, and which of them is the label. */
  labelBytes: number;
  labelAt: number;
  names: string;
}

export type CifarLabels = 'fine' | 'coarse';

function variantOf(names: readonly string[], labels: CifarLabels): Variant | null {
  if (names.some((name) => CIFAR_10.test(name)))
    return { train: CIFAR_10, test: 'test_batch.bin', labelBytes: 1, labelAt: 0, names: 'batches.meta.txt' };
  if (names.includes('train.bin'))
    return {
      train: /^train\.bin$/,
      test: 'test.bin',
      labelBytes: 2,
      labelAt: labels === 'coarse' ? 0 : 1,
      names: `${labels}_label_names.txt`,
    };
  return null;
}

const CIFAR_10 = /^data_batch_\d+\.bin$/;

/**
 * @param labels which labels of CIFAR-100
 * @throws ProblemError `invalid-data` naming the file, here where it is not whole, and while its images are read
 */
export async function openCifar(options: {
  files: Files;
  path: string;
  labels?: CifarLabels | undefined;
  limit?: Limit | undefined;
}): Promise<Source> {
  const { files, path, labels, limit } = options;
  const { files: names } = await files.entries(path);
  const variant = variantOf(names, labels ?? 'fine');
  if (!variant)
    throw new ProblemError(
      'invalid-data',
      `${path} holds neither data_batch_1.bin … (CIFAR-10) nor train.bin (CIFAR-100). Unpack the binary version; the Python version is pickled, and no pickle is read, because reading one runs what it says.`,
    );
  if (labels !== undefined && variant.labelBytes === 1)
    throw new ProblemError(
      'invalid-data',
      `${path} holds CIFAR-10, which has no ${labels} labels. Leave "labels" out.`,
    );
  const classes = names.includes(variant.names)
    ? classNames(await files.whole(inside(path, variant.names), MAX_NAMES_BYTES))
    : null;
  const open = (wanted: string[], most: number | undefined) =>
    openRecords({ files, paths: wanted.map((name) => inside(path, name)), variant, classes, most });
  return {
    classes: classes ?? 'numbered',
    train: await open(names.filter((name) => variant.train.test(name)).sort(byNumber), limit?.train),
    test: names.includes(variant.test) ? await open([variant.test], limit?.test) : null,
  };
}

/** data_batch_10 comes after data_batch_9. */
function byNumber(one: string, other: string): number {
  return Number(/\d+/.exec(one) ?? 0) - Number(/\d+/.exec(other) ?? 0);
}

function classNames(bytes: Uint8Array): string[] {
  const lines = Buffer.from(bytes).toString('utf8').split('\n');
  return lines.map((line) => line.trim()).filter((line) => line !== '');
}

async function openRecords(options: {
  files: Files;
  paths: string[];
  variant: Variant;
  classes: string[] | null;
  most: number | undefined;
}): Promise<SourceSplit> {
  const { files, paths, variant, classes, most } = options;
  const record = variant.labelBytes + PIXELS;
  const counts: number[] = [];
  for (const path of paths) {
    const bytes = await files.size(path);
    if (bytes % record !== 0)
      throw new ProblemError(
        'invalid-data',
        `${path} has ${bytes} bytes, which is no multiple of the ${record} of a record: ${bytes % record} bytes are left after ${Math.floor(bytes / record)} images. Download it again.`,
      );
    counts.push(bytes / record);
  }
  const all = counts.reduce((sum, count) => sum + count, 0);
  const count = Math.min(most ?? all, all);
  return {
    count,
    async *images(signal) {
      let left = count;
      for (const [number, path] of paths.entries()) {
        const reader = await ByteReader.open(files, path);
        try {
          for (let index = 0; index < counts[number]! && left > 0; index++, left--) {
            signal?.throwIfAborted();
            yield await nextRecord(reader, `${basename(path)}#${index}`, variant, classes);
          }
        } finally {
          await reader.close();
        }
      }
    },
  };
}

async function nextRecord(
  reader: ByteReader,
  name: string,
  { labelBytes, labelAt }: Variant,
  classes: string[] | null,
): Promise<SourceImage> {
  const bytes = await reader.take(labelBytes + PIXELS, `image ${name}`);
  const label = bytes[labelAt]!;
  if (classes && label >= classes.length)
    throw reader.problem(
      `gives ${name} the label ${label}, and there are names for ${classes.length} classes`,
    );
  const data = new Uint8Array(PIXELS);
  for (let channel = 0; channel < 3; channel++) {
    const plane = labelBytes + channel * PLANE;
    for (let pixel = 0; pixel < PLANE; pixel++) data[3 * pixel + channel] = bytes[plane + pixel]!;
  }
  return { name, label, kind: 'pixels', pixels: { data, height: SIDE, width: SIDE, channels: 3 } };
}
