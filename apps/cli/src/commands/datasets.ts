/** `rela datasets`: register a data set, look at the registered ones. */
import type { Dataset } from '@rela/contracts';
import type { DatasetInput } from '@rela/sdk';
import type { Command } from 'commander';
import { followDataset } from '../follow/follow-dataset.js';
import { UsageError } from '../output/failure.js';
import { formatBytes, formatTime, shortDigest } from '../output/format.js';
import { type Column, formatProperties, formatTable } from '../output/table.js';
import { given, parseNumber, parseNumbers } from './arguments.js';
import { untilInterrupted } from './interrupt.js';
import { addListOptions, type ListOptions, moreNote } from './lists.js';
import { openSession } from './session.js';
import { addSourceOptions, type SourceOptions, sourceOf } from './sources.js';

interface AddOptions extends SourceOptions {
  limitTrain?: number;
  limitTest?: number;
  tolerance?: number;
  classes?: string;
  mean?: number[];
  std?: number[];
  shardSize?: number;
  wait?: true;
}

type PerChannel = NonNullable<DatasetInput['normalization']>['mean'];

function normalizationOf({ mean, std }: AddOptions): Pick<DatasetInput, 'normalization'> {
  if (mean === undefined && std === undefined) return {};
  if (mean === undefined || std === undefined) throw new UsageError('Give --mean and --std together.');
  // The API says what is wrong with the numbers.
  return { normalization: { mean: mean as PerChannel, std: std as PerChannel } };
}

function inputOf(name: string, options: AddOptions): DatasetInput {
  const limit = given({ train: options.limitTrain, test: options.limitTest });
  return {
    name,
    source: sourceOf(options),
    ...(Object.keys(limit).length > 0 ? { limit } : {}),
    ...given({
      tolerance: options.tolerance,
      classes: options.classes?.split(',').map((text) => text.trim()),
      shardSize: options.shardSize,
    }),
    ...normalizationOf(options),
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

function formatNumbers(values: number[] | null): string | null {
  return values?.map((value) => value.toFixed(4)).join(', ') ?? null;
}

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
    mean: formatNumbers(dataset.mean),
    std: formatNumbers(dataset.std),
    bytes: bytes === null ? null : formatBytes(bytes),
    undecodable: undecodable.count,
    created: formatTime(dataset.createdAt),
    error: dataset.error,
  });
  const examples = undecodable.examples.map(({ name, reason }) => `  ${name}: ${reason}`);
  const warnings = dataset.warnings.map((text) => `warning: ${text}`);
  return [lines, ...warnings, ...(examples.length > 0 ? ['did not decode:', ...examples] : [])].join('\n');
}

export function addDatasets(program: Command): void {
  const datasets = program.command('datasets').description('data sets: collections of images');
  const add = datasets
    .command('add')
    .description('register a data set; the service reads its images once')
    .argument('<name>', 'name to refer to it by');
  addSourceOptions(add)
    .option('--limit-train <n>', 'take only the first images', parseNumber)
    .option('--limit-test <n>', 'take only the first test images', parseNumber)
    .option('--tolerance <share>', 'share of images that may fail to decode or to download', parseNumber)
    .option('--classes <names>', 'class names by label, with commas, where the source has none')
    .option(
      '--mean <numbers>',
      'normalise with this mean, one number or three; absent: of the images',
      parseNumbers,
    )
    .option('--std <numbers>', 'and this standard deviation', parseNumbers)
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
