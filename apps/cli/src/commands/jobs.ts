/** `rela run` and `rela jobs`: submit a job, look at it, follow it, pause, cancel and send it again. */
import {
  type Appraisal,
  type Candidate,
  type DeadLetter,
  type Job,
  type JobStage,
  JobStatus,
  type Run,
} from '@rela/contracts';
import { type JobInput, RelaApiError, type RelaClient } from '@rela/sdk';
import { type Command, Option } from 'commander';
import { followJob } from '../follow/follow-job.js';
import { stageProgress } from '../follow/stage-progress.js';
import { BadResult } from '../output/failure.js';
import { formatTime } from '../output/format.js';
import type { Output } from '../output/output.js';
import { type Column, formatProperties, formatTable } from '../output/table.js';
import { faultsInSpec, readSpec } from '../spec/read-spec.js';
import { parseLabel } from './arguments.js';
import { untilInterrupted } from './interrupt.js';
import { addListOptions, type ListOptions, moreNote } from './lists.js';
import { furtherEvaluations, RUN_COLUMNS } from './runs.js';
import { openSession } from './session.js';

const COLUMNS: Column<Job>[] = [
  { title: 'ID', value: ({ id }) => id },
  { title: 'NAME', value: ({ name }) => name },
  { title: 'STATUS', value: ({ status }) => status },
  { title: 'RUNS', value: ({ runs }) => runs.map(({ name }) => name).join(', ') },
  { title: 'CREATED', value: ({ createdAt }) => formatTime(createdAt) },
];

const shown = (value: number | null | undefined) => (value == null ? '' : value.toFixed(2));

const PRIOR_COLUMNS: Column<Appraisal & Partial<Candidate>>[] = [
  { title: 'PRIOR', value: ({ name }) => name },
  { title: 'SCORE', value: ({ score }) => shown(score), align: 'right' },
  { title: 'SIGNAL', value: ({ signal }) => shown(signal), align: 'right' },
  { title: 'DISTANCE', value: ({ distance }) => shown(distance), align: 'right' },
  { title: 'RANK', value: ({ effectiveRank }) => effectiveRank.toFixed(1), align: 'right' },
  { title: 'KNN', value: ({ knn }) => shown(knn), align: 'right' },
  {
    title: 'MS/IMAGE',
    value: ({ secondsPerImage }) => (1000 * secondsPerImage).toPrecision(3),
    align: 'right',
  },
  {
    title: 'REMARKS',
    value: ({ refused, flags }) =>
      refused === null
        ? flags
            .map(() => 'flagged')
            .slice(0, 1)
            .join('')
        : 'refused',
  },
];

const STAGE_COLUMNS: Column<JobStage>[] = [
  { title: 'STAGE', value: ({ id }) => id },
  { title: 'KIND', value: ({ kind }) => kind },
  { title: 'STATUS', value: ({ status, reused }) => (reused ? `${status}, reused` : status) },
  { title: 'TRIES', value: ({ attempt }) => String(attempt), align: 'right' },
  { title: 'ERROR', value: ({ error }) => error ?? '' },
];

const DEAD_COLUMNS: Column<DeadLetter>[] = [
  { title: 'STAGE', value: ({ stageId }) => stageId },
  { title: 'OF', value: ({ jobId, datasetId }) => jobId ?? datasetId ?? '' },
  { title: 'KIND', value: ({ kind }) => kind },
  { title: 'TRIES', value: ({ attempts }) => String(attempts), align: 'right' },
  { title: 'GIVEN UP', value: ({ at }) => formatTime(at) },
  { title: 'ERROR', value: ({ error }) => error },
];

interface JobListing extends ListOptions {
  status?: JobStatus;
  name?: string;
  schedule?: string;
  label?: Record<string, string>;
}

async function runsOf(client: RelaClient, job: Job): Promise<Run[]> {
  return Promise.all(job.runs.map(({ id }) => client.runs.get(id)));
}

function describe(job: Job, runs: Run[]): string {
  const properties = formatProperties({
    id: job.id,
    name: job.name,
    status: job.status,
    dataset: job.datasetId,
    prior: job.priorId,
    'waits for':
      job.waitsFor
        .filter(({ met }) => !met)
        .map(({ jobId, runId }) => (runId === null ? jobId : `${runId} of ${jobId}`))
        .join(', ') || null,
    labels:
      Object.entries(job.labels)
        .map(([key, value]) => `${key}=${value}`)
        .join(', ') || null,
    schedule: job.scheduleId && `${job.scheduleId}, due at ${job.dueAt && formatTime(job.dueAt)}`,
    created: formatTime(job.createdAt),
    started: job.startedAt && formatTime(job.startedAt),
    ended: job.endedAt && formatTime(job.endedAt),
    chosen: job.choice && `${job.choice.name}: ${job.choice.reason}`,
    error: job.error,
  });
  const stages = formatTable(
    [
      { title: 'STAGE', value: ({ label }) => label },
      { title: 'SHARE', value: ({ share }) => `${Math.floor(share * 100)} %`, align: 'right' },
      { title: 'STATE', value: ({ text }) => text },
    ],
    stageProgress(job),
  );
  const errors = runs.flatMap(({ name, error }) => (error === null ? [] : [`${name}: ${error}`]));
  const further = furtherEvaluations(runs);
  const priors = job.choice?.candidates ?? job.appraisals;
  return [
    ...[properties, stages],
    ...(priors.length > 0 ? [formatTable(PRIOR_COLUMNS, priors)] : []),
    ...(runs.length > 0 ? [formatTable(RUN_COLUMNS, runs)] : []),
    ...(further === null ? [] : [further]),
    ...[...job.warnings, ...errors],
  ].join('\n\n');
}

async function show(client: RelaClient, output: Output, job: Job): Promise<void> {
  const runs = await runsOf(client, job);
  output.result(output.json ? { job, runs } : null, () => describe(job, runs));
}

/** Follows the job, shows what came of it, and fails where it did not succeed. */
async function followAndShow(client: RelaClient, output: Output, id: string): Promise<void> {
  const job = await untilInterrupted(
    `${id} goes on. Follow it with: rela jobs follow ${id}; stop it with: rela jobs cancel ${id}`,
    (signal) => followJob(client, id, { signal, quiet: output.json }),
  );
  await show(client, output, job);
  if (job.status !== 'succeeded') throw new BadResult(`The job ${job.status}.`);
}

/** The same job with that method, at its defaults, in every run. */
function withMethod(value: unknown, name: string): unknown {
  const { runs } = (value ?? {}) as { runs?: unknown };
  if (!Array.isArray(runs)) return value;
  return { ...(value as object), runs: runs.map((run: object) => ({ ...run, method: { name } })) };
}

async function submit(client: RelaClient, file: string, method?: string): Promise<Job> {
  const spec = await readSpec(file);
  try {
    // The service validates: a second opinion here would drift from it.
    const value = method === undefined ? spec.value : withMethod(spec.value, method);
    return await client.jobs.create(value as JobInput);
  } catch (error) {
    if (error instanceof RelaApiError && error.problem.errors && error.problem.errors.length > 0)
      throw faultsInSpec(spec, error.problem.errors, error);
    throw error;
  }
}

export function addRun(program: Command): void {
  program
    .command('run')
    .description('submit the job that a YAML or JSON file describes')
    .argument('<spec>', 'file')
    .option('--follow', 'to its end; exit code 1 where it does not succeed')
    .option('--method <name>', 'in every run in place of the one that the file has, at its defaults')
    .action(async (file: string, options: { follow?: true; method?: string }, command: Command) => {
      const { client, output } = await openSession(command);
      const job = await submit(client, file, options.method);
      if (options.follow) {
        output.note(`${job.id} is accepted.`);
        await followAndShow(client, output, job.id);
      } else
        output.result(job, () => `${job.id} is ${job.status}. Follow it with: rela jobs follow ${job.id}`);
    });
}

export function addJobs(program: Command): void {
  const jobs = program.command('jobs').description('jobs: what was submitted');
  addListOptions(jobs.command('list').description('jobs, newest first'))
    .addOption(new Option('--status <status>', 'only these').choices(JobStatus.options))
    .option('--name <start>', 'only those whose name starts so')
    .option('--schedule <id>', 'only those that this schedule made')
    .option('--label <key=value>', 'only those with this label; may be given again', parseLabel)
    .action(async ({ label, ...options }: JobListing, command: Command) => {
      const { client, output } = await openSession(command);
      const page = await client.jobs.list({ ...options, ...(label ? { labels: label } : {}) });
      output.result(page, () => formatTable(COLUMNS, page.items) + moreNote(page));
    });
  jobs
    .command('show')
    .description('one job, its stages and its runs')
    .argument('<job>', 'id')
    .action(async (id: string, _options: unknown, command: Command) => {
      const { client, output } = await openSession(command);
      await show(client, output, await client.jobs.get(id));
    });
  jobs
    .command('follow')
    .description('show its progress to its end; exit code 1 where it does not succeed')
    .argument('<job>', 'id')
    .action(async (id: string, _options: unknown, command: Command) => {
      const { client, output } = await openSession(command);
      await followAndShow(client, output, id);
    });
  addListOptions(jobs.command('stages').description('its stages, in the order of the plan'))
    .argument('<job>', 'id')
    .action(async (id: string, options: ListOptions, command: Command) => {
      const { client, output } = await openSession(command);
      const page = await client.jobs.stages(id, options);
      output.result(page, () => formatTable(STAGE_COLUMNS, page.items) + moreNote(page));
    });
  jobs
    .command('cancel')
    .description('stop what runs and drop what waits')
    .argument('<job>', 'id')
    .action(async (id: string, _options: unknown, command: Command) => {
      const { client, output } = await openSession(command);
      const job = await client.jobs.cancel(id);
      output.result(job, () =>
        job.status === 'cancelled'
          ? `${id} is cancelled.`
          : `${id} is being cancelled; it is ${job.status} yet.`,
      );
    });
  jobs
    .command('pause')
    .description('start nothing more of it; what runs keeps a checkpoint and stops')
    .argument('<job>', 'id')
    .action(async (id: string, _options: unknown, command: Command) => {
      const { client, output } = await openSession(command);
      const job = await client.jobs.pause(id);
      output.result(job, () => `${id} is ${job.status}. Go on with: rela jobs resume ${id}`);
    });
  jobs
    .command('resume')
    .description('go on with a paused job')
    .argument('<job>', 'id')
    .action(async (id: string, _options: unknown, command: Command) => {
      const { client, output } = await openSession(command);
      const job = await client.jobs.resume(id);
      output.result(job, () => `${id} is ${job.status}.`);
    });
  jobs
    .command('retry')
    .description('send a job again that has ended: what failed or was cancelled, from its checkpoints')
    .argument('<job>', 'id')
    .option('--from <stage>', 'id or kind of stages to make again, with all that builds on them')
    .action(async (id: string, options: { from?: string }, command: Command) => {
      const { client, output } = await openSession(command);
      const job = await client.jobs.retry(id, options);
      output.result(job, () => `${id} is ${job.status}. Follow it with: rela jobs follow ${id}`);
    });
  addListOptions(
    jobs.command('dead').description('stages that were given up after all of their tries, newest first'),
  ).action(async (options: ListOptions, command: Command) => {
    const { client, output } = await openSession(command);
    const page = await client.deadLetters.list(options);
    output.result(page, () => formatTable(DEAD_COLUMNS, page.items) + moreNote(page));
  });
}
