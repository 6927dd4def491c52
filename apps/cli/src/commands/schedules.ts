/** `rela schedules`: jobs that are made again at the times of a cron expression. */
import { Concurrency, type Firing, FiringOutcome, MissedPolicy, type Schedule } from '@rela/contracts';
import { RelaApiError, type ScheduleChanges, type ScheduleInput } from '@rela/sdk';
import { type Command, Option } from 'commander';
import { UsageError } from '../output/failure.js';
import { formatTime } from '../output/format.js';
import { type Column, formatProperties, formatTable } from '../output/table.js';
import { faultsInSpec, readSpec } from '../spec/read-spec.js';
import { given, parseCount, parseLabel } from './arguments.js';
import { addListOptions, type ListOptions, moreNote } from './lists.js';
import { openSession } from './session.js';

const COLUMNS: Column<Schedule>[] = [
  { title: 'ID', value: ({ id }) => id },
  { title: 'NAME', value: ({ name }) => name },
  { title: 'CRON', value: ({ cron }) => cron },
  { title: 'TIME ZONE', value: ({ timeZone }) => timeZone },
  {
    title: 'NEXT',
    value: ({ paused, next: [next] }) => (paused ? 'paused' : next ? formatTime(next) : null),
  },
  { title: 'LAST', value: ({ last: [last] }) => (last ? `${formatTime(last.dueAt)} ${last.outcome}` : null) },
];

const FIRING_COLUMNS: Column<Firing>[] = [
  { title: 'DUE', value: ({ dueAt }) => formatTime(dueAt) },
  { title: 'BY', value: ({ trigger }) => trigger },
  { title: 'OUTCOME', value: ({ outcome }) => outcome },
  { title: 'JOB', value: ({ jobId }) => jobId },
  { title: 'MISSED', value: ({ missed }) => missed, align: 'right' },
  { title: 'WHY NOT', value: ({ problem }) => problem?.detail ?? '' },
];

function describe(schedule: Schedule): string {
  const { missed, mostMissed, last } = schedule;
  const properties = formatProperties({
    id: schedule.id,
    name: schedule.name,
    cron: schedule.cron,
    'time zone': schedule.timeZone,
    state: schedule.paused ? 'paused' : 'active',
    'data set': schedule.job.dataset,
    runs: schedule.job.runs.map(({ name }) => name).join(', ') || null,
    concurrency: schedule.concurrency,
    missed: `${missed}${missed === 'all' ? `, the latest ${mostMissed}` : ''}, of the last ${schedule.missedWithinSeconds} s`,
    labels:
      Object.entries(schedule.labels)
        .map(([key, value]) => `${key}=${value}`)
        .join(', ') || null,
    created: formatTime(schedule.createdAt),
    next: schedule.next.map(formatTime).join(', ') || null,
  });
  return last.length === 0 ? properties : `${properties}\n\n${formatTable(FIRING_COLUMNS, last)}`;
}

interface ScheduleOptions {
  cron?: string;
  timeZone?: string;
  concurrency?: Concurrency;
  missed?: MissedPolicy;
  missedWithin?: number;
  mostMissed?: number;
  label?: Record<string, string>;
}

function addScheduleOptions(command: Command): Command {
  return command
    .option('--time-zone <zone>', 'of the IANA database, such as Europe/Berlin; default: UTC')
    .addOption(
      new Option(
        '--concurrency <policy>',
        'while a job of it has not ended: make another beside it, none, or one in its place',
      ).choices(Concurrency.options),
    )
    .addOption(
      new Option(
        '--missed <policy>',
        'for times that went by while the service was down: no job, one for all, one for each',
      ).choices(MissedPolicy.options),
    )
    .option('--missed-within <seconds>', 'what was missed longer ago is left out', parseCount)
    .option('--most-missed <n>', 'of --missed all, how many jobs', parseCount)
    .option('--label <key=value>', 'of the schedule and its jobs; may be given again', parseLabel);
}

const changesOf = ({
  missedWithin,
  label,
  cron,
  timeZone,
  concurrency,
  missed,
  mostMissed,
}: ScheduleOptions) =>
  given({
    ...{ cron, timeZone, concurrency, missed, mostMissed },
    ...{ missedWithinSeconds: missedWithin, labels: label },
  });

/** The fields of a job in its file, where the service names them as those of the schedule. */
const JOB_FIELD = /^job\./;

/** Sends what has the job of `file` in it; what is wrong with the job is shown by its line. */
async function withJob(
  file: string,
  send: (job: ScheduleInput['job']) => Promise<Schedule>,
): Promise<Schedule> {
  const spec = await readSpec(file);
  try {
    return await send(spec.value as ScheduleInput['job']);
  } catch (error) {
    const faults = error instanceof RelaApiError ? (error.problem.errors ?? []) : [];
    const ofJob = faults.filter(({ field }) => JOB_FIELD.test(field));
    if (ofJob.length === 0) throw error;
    const inFile = ofJob.map(({ field, message }) => ({ field: field.replace(JOB_FIELD, ''), message }));
    throw faultsInSpec(spec, inFile, error);
  }
}

const nextOf = ({ paused, next: [next] }: Schedule) =>
  paused ? 'It is paused.' : next ? `It is due at ${formatTime(next)}.` : 'It is never due.';

export function addSchedules(program: Command): void {
  const schedules = program.command('schedules').description('schedules: jobs that are made again and again');
  addScheduleOptions(
    schedules
      .command('add')
      .description('submit the job that a YAML or JSON file describes at the times of a cron expression')
      .argument('<name>', 'yours')
      .argument('<spec>', 'file of the job, as of `rela run`')
      .requiredOption('--cron <expression>', 'such as "30 3 * * 1-5" or "@daily"'),
  )
    .option('--paused', 'make no jobs until it is resumed')
    .action(
      async (
        name: string,
        file: string,
        { paused, ...options }: ScheduleOptions & { cron: string; paused?: true },
        command: Command,
      ) => {
        const { client, output } = await openSession(command);
        const schedule = await withJob(file, (job) =>
          client.schedules.create({
            ...changesOf(options),
            ...given({ paused }),
            name,
            cron: options.cron,
            job,
          }),
        );
        output.result(schedule, () => `${schedule.id} is made. ${nextOf(schedule)}`);
      },
    );
  addListOptions(schedules.command('list').description('schedules, newest first'))
    .option('--label <key=value>', 'only those with this label; may be given again', parseLabel)
    .action(async ({ label, ...options }: ListOptions & Pick<ScheduleOptions, 'label'>, command: Command) => {
      const { client, output } = await openSession(command);
      const page = await client.schedules.list({ ...options, ...(label ? { labels: label } : {}) });
      output.result(page, () => formatTable(COLUMNS, page.items) + moreNote(page));
    });
  schedules
    .command('show')
    .description('one schedule, its next times and its last firings')
    .argument('<schedule>', 'id or name')
    .action(async (reference: string, _options: unknown, command: Command) => {
      const { client, output } = await openSession(command);
      const schedule = await client.schedules.get(reference);
      output.result(schedule, () => describe(schedule));
    });
  addScheduleOptions(
    schedules
      .command('change')
      .description('change what is given; the rest stays')
      .argument('<schedule>', 'id or name')
      .option('--name <name>', 'another name')
      .option('--cron <expression>', 'such as "30 3 * * 1-5" or "@daily"')
      .option('--spec <file>', 'another job'),
  ).action(
    async (
      reference: string,
      { name, spec, ...options }: ScheduleOptions & { name?: string; spec?: string },
      command: Command,
    ) => {
      const { client, output } = await openSession(command);
      const changes: ScheduleChanges = { ...changesOf(options), ...given({ name }) };
      if (spec === undefined && Object.keys(changes).length === 0)
        throw new UsageError('There is nothing to change: give at least one option.');
      const schedule =
        spec === undefined
          ? await client.schedules.update(reference, changes)
          : await withJob(spec, (job) => client.schedules.update(reference, { ...changes, job }));
      output.result(schedule, () => `${schedule.name} is changed. ${nextOf(schedule)}`);
    },
  );
  for (const { verb, description } of [
    { verb: 'pause', description: 'make no jobs of it until it is resumed; they are not made up for then' },
    { verb: 'resume', description: 'make jobs of it again from now on' },
  ] as const)
    schedules
      .command(verb)
      .description(description)
      .argument('<schedule>', 'id or name')
      .action(async (reference: string, _options: unknown, command: Command) => {
        const { client, output } = await openSession(command);
        const schedule = await client.schedules[verb](reference);
        output.result(schedule, () => `${schedule.name}: ${nextOf(schedule)}`);
      });
  schedules
    .command('trigger')
    .description('make a job of it now')
    .argument('<schedule>', 'id or name')
    .action(async (reference: string, _options: unknown, command: Command) => {
      const { client, output } = await openSession(command);
      const firing = await client.schedules.trigger(reference);
      output.result(
        firing,
        () => `${firing.jobId} is accepted. Follow it with: rela jobs follow ${firing.jobId}`,
      );
    });
  addListOptions(schedules.command('firings').description('what became of its times, newest first'))
    .argument('<schedule>', 'id or name')
    .addOption(new Option('--outcome <outcome>', 'only these').choices(FiringOutcome.options))
    .action(
      async (reference: string, options: ListOptions & { outcome?: FiringOutcome }, command: Command) => {
        const { client, output } = await openSession(command);
        const page = await client.schedules.firings(reference, options);
        output.result(page, () => formatTable(FIRING_COLUMNS, page.items) + moreNote(page));
      },
    );
  schedules
    .command('delete')
    .description('forget it and its firings; its jobs stay')
    .argument('<schedule>', 'id or name')
    .action(async (reference: string, _options: unknown, command: Command) => {
      const { client, output } = await openSession(command);
      await client.schedules.delete(reference);
      output.result({ deleted: reference }, () => `${reference} is deleted.`);
    });
}
