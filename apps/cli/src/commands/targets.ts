/** `rela targets`: make targets without training, look at those that jobs have made, and write them as files for other trainers. */
import { ExportFormat, type Targets } from '@rela/contracts';
import type { RelaClient } from '@rela/sdk';
import { type Command, Option } from 'commander';
import { followJob } from '../follow/follow-job.js';
import { BadResult } from '../output/failure.js';
import { formatTime } from '../output/format.js';
import type { Output } from '../output/output.js';
import { type Column, formatTable } from '../output/table.js';
import type { ExportOptions } from '../targets/write-export.js';
import { given, parseCount } from './arguments.js';
import { untilInterrupted } from './interrupt.js';
import { addListOptions, type ListOptions, moreNote } from './lists.js';
import { configOf, type GlobalOptions, openSession } from './session.js';

const COLUMNS: Column<Targets>[] = [
  { title: 'JOB', value: ({ jobId }) => jobId },
  { title: 'DATASET', value: ({ datasetId }) => datasetId },
  { title: 'K', value: ({ k }) => k, align: 'right' },
  { title: 'IMAGES', value: ({ count }) => count, align: 'right' },
  { title: 'STATUS', value: ({ status }) => status },
  { title: 'CREATED', value: ({ createdAt }) => formatTime(createdAt) },
  { title: 'DIGEST', value: ({ digest }) => digest },
];

interface MakeOptions {
  prior: string;
  k?: number;
  name?: string;
  follow?: true;
}

async function make(client: RelaClient, output: Output, dataset: string, options: MakeOptions) {
  const job = await client.jobs.create({
    dataset,
    prior: options.prior,
    targets: given({ k: options.k }),
    ...given({ name: options.name }),
  });
  if (!options.follow) {
    output.result(job, () => `${job.id} is ${job.status}. Follow it with: rela jobs follow ${job.id}`);
    return;
  }
  output.note(`${job.id} is accepted.`);
  const ended = await untilInterrupted(
    `${job.id} goes on. Follow it with: rela jobs follow ${job.id}; stop it with: rela jobs cancel ${job.id}`,
    (signal) => followJob(client, job.id, { signal, quiet: output.json }),
  );
  const { items } = await client.targets.list({ job: job.id });
  output.result({ job: ended, targets: items }, () =>
    [formatTable(COLUMNS, items), ...(ended.error === null ? [] : [ended.error])].join('\n\n'),
  );
  if (ended.status !== 'succeeded') throw new BadResult(`The job ${ended.status}.`);
}

export function addTargets(program: Command): void {
  const targets = program
    .command('targets')
    .description('targets: what a prior says of every image, to train towards here or elsewhere');
  targets
    .command('make')
    .description('embed a data set with a prior, without training')
    .argument('<dataset>', 'id, name or digest')
    .requiredOption('--prior <prior>', 'id, name or digest')
    .option('--k <n>', 'floats a target; absent: all that the prior gives', parseCount)
    .option('--name <name>', 'of the job')
    .option('--follow', 'to its end; exit code 1 where it does not succeed')
    .action(async (dataset: string, options: MakeOptions, command: Command) => {
      const { client, output } = await openSession(command);
      await make(client, output, dataset, options);
    });
  addListOptions(targets.command('list').description('targets of all jobs, newest first'))
    .option('--job <job>', 'only those of this job')
    .option('--run <run>', 'only those that this run trains with')
    .action(async (options: ListOptions & { job?: string; run?: string }, command: Command) => {
      const { client, output } = await openSession(command);
      const page = await client.targets.list(options);
      output.result(page, () => formatTable(COLUMNS, page.items) + moreNote(page));
    });
  targets
    .command('export')
    .description('write targets as files for other trainers; given again, it goes on where it stopped')
    .argument('<reference>', 'a job, a run, or the digest of targets')
    .addOption(
      new Option('--format <format>', 'of the files').choices(ExportFormat.options).makeOptionMandatory(true),
    )
    .requiredOption('-o, --output <folder>', 'where to write them: a folder, or s3://bucket/prefix')
    .option('--k <n>', 'which targets, where a job has several', parseCount)
    .option('--images', 'the images too; in a WebDataset they are unless --no-images says otherwise')
    .option('--no-images', 'targets and labels only')
    .option('--no-labels', 'neither labels nor names: nothing of the data set is read')
    .option('--shard-size <n>', 'most rows a shard', parseCount, 10_000)
    .option('--force', 'write over an earlier export')
    .action(async (reference: string, options: ExportOptions, command: Command) => {
      const { s3 } = configOf(command.optsWithGlobals<GlobalOptions>());
      const { writeExport } = await import('../targets/write-export.js');
      await writeExport(await openSession(command), s3, reference, options);
    });
}
