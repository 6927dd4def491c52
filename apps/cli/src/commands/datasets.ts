/** `rela datasets`: register a data set, look at the registered ones. */
import { resolve } from 'node:path';
import { type Dataset, RecipeName } from '@rela/contracts';
import type { DatasetInput } from '@rela/sdk';
import { type Command, Option } from 'commander';
import { followDataset } from '../follow/follow-dataset.js';
import { UsageError } from '../output/failure.js';
import { formatBytes, formatTime, shortDigest } from '../output/format.js';
import { type Column, formatProperties, formatTable } from '../output/table.js';
import { given, parseNumber } from './arguments.js';
import { untilInterrupted } from './interrupt.js';
import { addListOptions, type ListOptions, moreNote } from './lists.js';
import { openSession } from './session.js';

interface AddOptions {
  recipe?: RecipeName;
  folder?: string;
  test?: string;
  testFraction?: number;
  idxImages?: string;
  idxLabels?: string;
  idxTestImages?: string;
  idxTestLabels?: string;
  limitTrain?: number;
  limitTest?: number;
  tolerance?: number;
  shardSize?: number;
  wait?: true;
}

/** Paths are seen by the service; on the same machine, from wherever it was started. */
function sourceOf(options: AddOptions): DatasetInput['source'] {
  const path = (text: string | undefined) => (text === undefined ? undefined : resolve(text));
  const kinds = [options.recipe, options.idxImages].filter((value) => value !== undefined);
  if (kinds.length > 1) throw new UsageError('Give one of --recipe, --folder and --idx-images, not two.');
  if (options.recipe)
    return { kind: 'recipe', recipe: options.recipe, ...given({ folder: path(options.folder) }) };
  if (options.idxImages) {
    const split = (images: string, labels?: string) => ({
      images: resolve(images),
      ...given({ labels: path(labels) }),
    });
    const { idxTestImages, idxTestLabels } = options;
    return {
      kind: 'idx',
      train: split(options.idxImages, options.idxLabels),
      ...(idxTestImages === undefined ? {} : { test: split(idxTestImages, idxTestLabels) }),
    };
  }
  if (!options.folder)
    throw new UsageError('Say where the images are: --recipe NAME, --folder PATH or --idx-images PATH.');
  return {
    kind: 'folder',
    path: resolve(options.folder),
    ...given({ test: path(options.test), testFraction: options.testFraction }),
  };
}

function inputOf(name: string, options: AddOptions): DatasetInput {
  const limit = given({ train: options.limitTrain, test: options.limitTest });
  return {
    name,
    source: sourceOf(options),
    ...(Object.keys(limit).length > 0 ? { limit } : {}),
    ...given({ tolerance: options.tolerance, shardSize: options.shardSize }),
  };
}

const COLUMNS: Column<Dataset>[] = [
  { title: 'ID', value: ({ id }) => id },
  { title: 'NAME', value: ({ name }) => name },
  { title: 'STATUS', value: ({ status }) => status },
  { title: 'TRAIN', value: ({ train }) => train, align: 'right' },
  { title: 'TEST', value: ({ test }) => test, align: 'right' },
  { title: 'CLASSES', value: ({ classes }) => classes?.length ?? null, align: 'right' },
  { title: 'CREATED', value: ({ createdAt }) => formatTime(createdAt) },
];

function describe(dataset: Dataset): string {
  const { imageSize, undecodable, bytes, classes } = dataset;
  const lines = formatProperties({
    id: dataset.id,
    name: dataset.name,
    status: dataset.status,
    source: dataset.source.kind === 'recipe' ? `recipe ${dataset.source.recipe}` : dataset.source.kind,
    digest: shortDigest(dataset.digest),
    train: dataset.train,
    test: dataset.test,
    classes: classes === null ? null : classes.join(', '),
    size: imageSize && `${imageSize.width} × ${imageSize.height} px`,
    channels: dataset.channels,
    bytes: bytes === null ? null : formatBytes(bytes),
    undecodable: undecodable.count,
    created: formatTime(dataset.createdAt),
    error: dataset.error,
  });
  const examples = undecodable.examples.map(({ name, reason }) => `  ${name}: ${reason}`);
  return [lines, ...(examples.length > 0 ? ['did not decode:', ...examples] : [])].join('\n');
}

export function addDatasets(program: Command): void {
  const datasets = program.command('datasets').description('data sets: collections of images');
  datasets
    .command('add')
    .description('register a data set; the service reads its images once')
    .argument('<name>', 'name to refer to it by')
    .addOption(new Option('--recipe <name>', 'a known data set').choices(RecipeName.options))
    .option('--folder <path>', 'images in class folders, or flat; with --recipe, the folder of its files')
    .option('--test <path>', 'folder of test images')
    .option('--test-fraction <share>', 'share of the images held out for testing', parseNumber)
    .option('--idx-images <path>', 'IDX file of images, plain or gzip')
    .option('--idx-labels <path>', 'IDX file of labels')
    .option('--idx-test-images <path>', 'IDX file of test images')
    .option('--idx-test-labels <path>', 'IDX file of test labels')
    .option('--limit-train <n>', 'take only the first images', parseNumber)
    .option('--limit-test <n>', 'take only the first test images', parseNumber)
    .option('--tolerance <share>', 'share of images that may fail to decode', parseNumber)
    .option('--shard-size <n>', 'images a shard', parseNumber)
    .option('--wait', 'until its images are read')
    .action(async (name: string, options: AddOptions, command: Command) => {
      const { client, output } = await openSession(command);
      let dataset = await client.datasets.create(inputOf(name, options));
      if (options.wait) {
        dataset = await untilInterrupted(
          `${dataset.id} is read on; look with: rela datasets show ${dataset.id}`,
          (signal) => followDataset(client, dataset.id, { signal, quiet: output.json }),
        );
      }
      output.result(dataset, () => describe(dataset));
    });
  addListOptions(datasets.command('list').description('data sets, newest first')).action(
    async (options: ListOptions, command: Command) => {
      const { client, output } = await openSession(command);
      const page = await client.datasets.list(options);
      output.result(page, () => formatTable(COLUMNS, page.items) + moreNote(page));
    },
  );
  datasets
    .command('show')
    .description('one data set')
    .argument('<dataset>', 'id, name or digest')
    .action(async (reference: string, _options: unknown, command: Command) => {
      const { client, output } = await openSession(command);
      const dataset = await client.datasets.get(reference);
      output.result(dataset, () => describe(dataset));
    });
}
