/** Options of `rela datasets add` that say where the images are; one group a kind of source. */
import { resolve } from 'node:path';
import { RecipeName } from '@rela/contracts';
import type { DatasetInput } from '@rela/sdk';
import { type Command, Option } from 'commander';
import { UsageError } from '../output/failure.js';
import { given, parseNumber } from './arguments.js';

export interface SourceOptions {
  recipe?: RecipeName;
  folder?: string;
  idxImages?: string;
  idxLabels?: string;
  idxTestImages?: string;
  idxTestLabels?: string;
  cifar?: string;
  cifarLabels?: 'fine' | 'coarse';
  npyImages?: string;
  npyLabels?: string;
  npyTestImages?: string;
  npyTestLabels?: string;
  npz?: string;
  webdataset?: string[];
  parquet?: string[];
  csv?: string;
  test?: string[];
  testFraction?: number;
  image?: string;
  label?: string;
  labels?: boolean;
  splitColumn?: string;
  trainSplit?: string;
  testSplit?: string;
  delimiter?: string;
  downloads?: number;
  downloadTimeout?: number;
  downloadRetries?: number;
}

type Source = DatasetInput['source'];

/** Paths are seen by the service; on the same machine, from wherever it was started. Those of buckets stay as they are. */
function path(text: string): string {
  return text.startsWith('s3://') ? text : resolve(text);
}

const optionalPath = (text: string | undefined) => (text === undefined ? undefined : path(text));

/** One path as it is, several as a list. */
function paths(texts: string[]): string | string[] {
  return texts.length === 1 ? path(texts[0]!) : texts.map(path);
}

/** `--no-labels` becomes null: there are none, whatever the columns are called. */
function labelOf({ label, labels }: SourceOptions): { label?: string | null } {
  if (labels === false) return { label: null };
  return given({ label });
}

function shardsOf(train: string[], options: SourceOptions) {
  return {
    train: paths(train),
    ...given({ test: options.test && paths(options.test), image: options.image }),
    ...labelOf(options),
  };
}

function pairOf(images: string, labels: string | undefined) {
  return { images: path(images), ...given({ labels: optionalPath(labels) }) };
}

const SOURCES: { flag: string; option: keyof SourceOptions; read(options: SourceOptions): Source }[] = [
  {
    flag: '--recipe NAME',
    option: 'recipe',
    read: (options) => ({
      kind: 'recipe',
      recipe: options.recipe!,
      ...given({ folder: optionalPath(options.folder) }),
    }),
  },
  {
    flag: '--folder PATH',
    option: 'folder',
    read: (options) => ({
      kind: 'folder',
      path: path(options.folder!),
      ...given({ test: optionalPath(options.test?.[0]), testFraction: options.testFraction }),
    }),
  },
  {
    flag: '--idx-images PATH',
    option: 'idxImages',
    read: (options) => ({
      kind: 'idx',
      train: pairOf(options.idxImages!, options.idxLabels),
      ...(options.idxTestImages === undefined
        ? {}
        : { test: pairOf(options.idxTestImages, options.idxTestLabels) }),
    }),
  },
  {
    flag: '--cifar PATH',
    option: 'cifar',
    read: ({ cifar, cifarLabels }) => ({
      kind: 'cifar',
      path: path(cifar!),
      ...given({ labels: cifarLabels }),
    }),
  },
  {
    flag: '--npy-images PATH',
    option: 'npyImages',
    read: (options) => ({
      kind: 'npy',
      train: pairOf(options.npyImages!, options.npyLabels),
      ...(options.npyTestImages === undefined
        ? {}
        : { test: pairOf(options.npyTestImages, options.npyTestLabels) }),
    }),
  },
  { flag: '--npz PATH', option: 'npz', read: ({ npz }) => ({ kind: 'npz', path: path(npz!) }) },
  {
    flag: '--webdataset SHARDS',
    option: 'webdataset',
    read: (options) => ({ kind: 'webdataset', ...shardsOf(options.webdataset!, options) }),
  },
  {
    flag: '--parquet FILES',
    option: 'parquet',
    read: (options) => ({ kind: 'parquet', ...shardsOf(options.parquet!, options) }),
  },
  {
    flag: '--csv PATH',
    option: 'csv',
    read: (options) => {
      const split = given({
        column: options.splitColumn,
        train: options.trainSplit,
        test: options.testSplit,
      });
      const download = given({
        concurrency: options.downloads,
        timeoutSeconds: options.downloadTimeout,
        retries: options.downloadRetries,
      });
      return {
        kind: 'csv',
        path: path(options.csv!),
        ...given({ image: options.image, delimiter: options.delimiter }),
        ...labelOf(options),
        ...(Object.keys(split).length > 0 ? { split } : {}),
        ...(Object.keys(download).length > 0 ? { download } : {}),
      };
    },
  },
];

/** The source that the options describe. @throws UsageError where they describe none, or two */
export function sourceOf(options: SourceOptions): Source {
  const meant = SOURCES.filter(({ option }) => options[option] !== undefined);
  // With a recipe, --folder says where its files are.
  const named = options.recipe ? meant.filter(({ option }) => option !== 'folder') : meant;
  const [source, other] = named;
  if (!source)
    throw new UsageError(`Say where the images are: ${SOURCES.map(({ flag }) => flag).join(', ')}.`);
  if (other) throw new UsageError(`Give one source, not two: ${source.flag} or ${other.flag}.`);
  return source.read(options);
}

export function addSourceOptions(command: Command): Command {
  return command
    .addOption(new Option('--recipe <name>', 'a known data set').choices(RecipeName.options))
    .option('--folder <path>', 'images in class folders, or flat; with --recipe, the folder of its files')
    .option('--idx-images <path>', 'IDX file of images, plain or gzip')
    .option('--idx-labels <path>', 'IDX file of labels')
    .option('--idx-test-images <path>', 'IDX file of test images')
    .option('--idx-test-labels <path>', 'IDX file of test labels')
    .option('--cifar <path>', 'folder of CIFAR-10 or CIFAR-100, binary version')
    .addOption(new Option('--cifar-labels <which>', 'labels of CIFAR-100').choices(['fine', 'coarse']))
    .option('--npy-images <path>', 'npy file of images, uint8')
    .option('--npy-labels <path>', 'npy file of labels')
    .option('--npy-test-images <path>', 'npy file of test images')
    .option('--npy-test-labels <path>', 'npy file of test labels')
    .option('--npz <path>', 'npz archive of x_train, y_train, x_test, y_test, or as MedMNIST has them')
    .option(
      '--webdataset <shards...>',
      'tar files of WebDataset; a folder, {000..003} and * stand for several',
    )
    .option('--parquet <files...>', 'Parquet files with the bytes of the images, as on the Hugging Face hub')
    .option('--csv <path>', 'table of addresses or paths of images')
    .option('--test <path...>', 'folder of test images; test files of --webdataset and --parquet')
    .option('--test-fraction <share>', 'share of the images of --folder held out for testing', parseNumber)
    .option('--image <name>', 'column of the images, or ending of their files in --webdataset')
    .option('--label <name>', 'column of the labels; in --webdataset an ending, or json.FIELD')
    .option('--no-labels', 'take the images without labels')
    .option('--split-column <name>', 'column of --csv that says which split a row belongs to')
    .option('--train-split <value>', 'what it says of training rows')
    .option('--test-split <value>', 'what it says of test rows')
    .option('--delimiter <character>', 'what stands between the columns of --csv')
    .option('--downloads <n>', 'addresses of --csv that are read at once', parseNumber)
    .option('--download-timeout <seconds>', 'for one try at an address', parseNumber)
    .option('--download-retries <n>', 'further tries at an address', parseNumber);
}
