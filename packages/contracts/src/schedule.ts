/** Schedules: a job that is made again at the times of a cron expression, and what became of each of those times. */
import { z } from 'zod';
import { Cron, TimeZone } from './cron.js';
import { Name, Timestamp } from './identifiers.js';
import { JobCreate, Labels } from './job.js';
import { Problem } from './problem.js';

const DAY = 24 * 3600;

export const Concurrency = z
  .enum(['allow', 'forbid', 'replace'])
  .describe(
    'when a time is due and a job of the schedule has not ended. allow: make the next one beside it; forbid: make none; replace: cancel it and make the next one',
  );
export type Concurrency = z.infer<typeof Concurrency>;

export const MissedPolicy = z
  .enum(['skip', 'once', 'all'])
  .describe(
    'times that went by while no orchestrator ran. skip: make no job for them; once: make one for all of them; all: make one for each, the latest `mostMissed` of them',
  );
export type MissedPolicy = z.infer<typeof MissedPolicy>;

const missedWithinSeconds = z
  .int()
  .min(60)
  .max(7 * DAY)
  .describe('a time that was missed longer ago than this is skipped whatever `missed` says');
const mostMissed = z
  .int()
  .min(1)
  .max(100)
  .describe('of `missed: all`, how many jobs are made for one down time');

/** What a schedule is told, each with its meaning; what is absent at the creation has the defaults of `ScheduleCreate`. */
const fields = {
  name: Name.describe('yours; no two schedules have the same'),
  cron: Cron,
  timeZone: TimeZone,
  job: JobCreate.describe(
    'what is submitted at each time. Names are looked up then: a data set named by its name is the newest of that name',
  ),
  paused: z.boolean().describe('a paused schedule makes no jobs, and does not make up for them later'),
  concurrency: Concurrency,
  missed: MissedPolicy,
  missedWithinSeconds,
  mostMissed,
  labels: Labels.describe('of the schedule, and of each of its jobs beside their own'),
};

export const ScheduleCreate = z
  .strictObject({
    ...fields,
    timeZone: TimeZone.default('UTC'),
    paused: fields.paused.default(false),
    concurrency: Concurrency.default('allow'),
    missed: MissedPolicy.default('once'),
    missedWithinSeconds: missedWithinSeconds.default(DAY),
    mostMissed: mostMissed.default(10),
    labels: fields.labels.default({}),
  })
  .meta({ id: 'ScheduleCreate' });
export type ScheduleCreate = z.infer<typeof ScheduleCreate>;

/** What is given takes the place of what was; the rest stays. */
export const ScheduleUpdate = z
  .strictObject(fields)
  .partial()
  .refine((update) => Object.keys(update).length > 0, { error: 'names nothing to change' })
  .meta({ id: 'ScheduleUpdate' });
export type ScheduleUpdate = z.infer<typeof ScheduleUpdate>;

export const FiringOutcome = z.enum(['job', 'skipped', 'missed', 'failed']);
export type FiringOutcome = z.infer<typeof FiringOutcome>;

export const Firing = z
  .object({
    id: z.string(),
    scheduleId: z.string(),
    trigger: z.enum(['cron', 'manual']),
    dueAt: Timestamp.describe('the time of the timetable, or when somebody asked'),
    at: Timestamp.describe('when it was seen to'),
    outcome: FiringOutcome.describe(
      'job: one was made; skipped: a job of the schedule had not ended (`concurrency: forbid`); missed: too late, and `missed` says that no job is made; failed: the job was refused',
    ),
    jobId: z.string().nullable().describe('null also where the job has been forgotten since'),
    missed: z
      .int()
      .describe('times before this one for which no job was made since it was too late; counted up to 1,000'),
    problem: Problem.nullable().describe('why no job was made'),
  })
  .meta({ id: 'Firing' });
export type Firing = z.infer<typeof Firing>;

export const Schedule = z
  .object({
    id: z.string(),
    ...fields,
    next: z
      .array(Timestamp)
      .describe('the next times, five within two years; in a list the next alone; empty while it is paused'),
    last: z.array(Firing).describe('the last five firings, newest first; all of them at /firings'),
    createdAt: Timestamp,
    updatedAt: Timestamp,
  })
  .meta({ id: 'Schedule' });
export type Schedule = z.infer<typeof Schedule>;

/** How many of `next` and `last` a schedule shows. */
export const SHOWN_FIRINGS = 5;

/** What travels through the queue when a schedule is due. For which time, and what is to be done, is in Postgres. */
export const DueMessage = z.object({ scheduleId: z.string() });
export type DueMessage = z.infer<typeof DueMessage>;
