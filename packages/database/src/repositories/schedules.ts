/**
 * Schedules, and the making of their jobs. `next_due_at` is the first time that has not been seen to; it moves on in the transaction that
 * sees to it:
 *
 *     due at T ──settle: lock the row; still T, and unchanged? ──▶ firing (schedule, T) + job, due at the time after T
 *                                                └─ no ─▶ nothing: somebody else was first, or the plan is of another revision
 *
 * So each time makes one job, whoever says how often that it is due. Everything that changes a schedule locks its row first.
 */
import {
  type Concurrency,
  type Firing,
  type FiringOutcome,
  firstDueTimes,
  type Job,
  type JobPlan,
  type Labels,
  type MissedPolicy,
  newId,
  nextDueTime,
  type Page,
  type Problem,
  ProblemError,
  type Schedule,
  type ScheduleCreate,
  type ScheduleUpdate,
  SHOWN_FIRINGS,
  type TenantLimits,
  type Timetable,
} from '@rela/contracts';
import type { Connection, Transaction } from '../connection.js';
import { isUniqueViolation } from '../errors.js';
import type { Prisma, Schedule as ScheduleRow } from '../generated/client.js';
import { SCHEDULE_CHANNEL, wakeSchedules } from '../state/events.js';
import { insertFiring, newestFirings, pageOfFirings } from './firings.js';
import type { JobOrigin } from './jobs.js';
import { fromJson, toJson } from './json.js';
import type { Listener, ListenHandle } from './listener.js';
import { type PageRequest, pageArguments, pageOf } from './paging.js';
import type { createQuotas } from './quotas.js';
import { ownedBy, ownedSql, type TenantScope } from './scope.js';

/** The sides of jobs that schedules need. */
interface Jobs {
  create(plan: JobPlan, tx: Transaction, origin: JobOrigin): Promise<Job>;
  cancel(id: string, tx: Transaction): Promise<Job>;
}

interface ScheduleNeeds {
  listener: Listener;
  /** Of a tenant. */
  jobsOf(tenantId: string): Jobs;
  quotasOf(tenantId: string): Pick<ReturnType<typeof createQuotas>, 'assertJobs' | 'assertStorage'>;
  /** Of tenants that have none of their own. */
  limits: TenantLimits;
}

/** A schedule as it stood when a firing of it was planned. */
export interface DueSchedule extends Timetable {
  id: string;
  tenantId: string;
  revision: number;
  /** The first time that has not been seen to. */
  nextDueAt: Date;
  missed: MissedPolicy;
  missedWithinSeconds: number;
  mostMissed: number;
  /** As it was accepted; a newer version of the service may want more of it. */
  job: unknown;
  labels: Labels;
}

/** What becomes of a time. */
export type Settled = { plan: JobPlan } | { outcome: 'failed'; problem: Problem } | { outcome: 'missed' };

const SHOWN_AHEAD_MS = 2 * 366 * 24 * 3600 * 1000;

type Held = Pick<ScheduleRow, 'id' | 'tenantId' | 'name' | 'concurrency'>;

const data = ({ job, labels, ...rest }: ScheduleUpdate) => ({
  ...rest,
  ...(job ? { job: toJson(job) } : {}),
  ...(labels ? { labels: toJson(labels) } : {}),
});

function toSchedule(row: ScheduleRow, next: Date[], last: Firing[] = []): Schedule {
  const { tenantId: _tenant, revision: _revision, nextDueAt: _due, ...shown } = row;
  return {
    ...shown,
    job: fromJson(row.job),
    labels: fromJson(row.labels),
    concurrency: row.concurrency as Concurrency,
    missed: row.missed as MissedPolicy,
    next: next.map((time) => time.toISOString()),
    last,
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
  };
}

/** The first of them may have come: then it waits for an orchestrator. */
function nextOf(row: ScheduleRow): Date[] {
  if (row.nextDueAt === null) return [];
  const until = new Date(row.nextDueAt.getTime() + SHOWN_AHEAD_MS);
  return [row.nextDueAt, ...firstDueTimes(row, row.nextDueAt, SHOWN_FIRINGS - 1, until)];
}

function toDue(row: ScheduleRow & { nextDueAt: Date }): DueSchedule {
  const { id, tenantId, revision, nextDueAt, cron, timeZone, missedWithinSeconds, mostMissed, job } = row;
  return {
    ...{ id, tenantId, revision, nextDueAt, cron, timeZone, missedWithinSeconds, mostMissed, job },
    missed: row.missed as MissedPolicy,
    labels: fromJson(row.labels),
  };
}

const nameTaken = (name: string) =>
  new ProblemError(
    'conflict',
    `There is a schedule "${name}" already. Change that one, or take another name.`,
    [{ field: 'name', message: 'is taken' }],
  );

const unknown = (id: string) =>
  new ProblemError('not-found', `There is no schedule "${id}". GET /v1/schedules lists them.`);

/** @param tenant whose schedules; null: of all */
export function createSchedules(
  { prisma, transaction }: Connection,
  tenant: TenantScope,
  { listener, jobsOf, quotasOf, limits }: ScheduleNeeds,
) {
  const own = ownedBy(tenant);

  async function show(row: ScheduleRow, within: Transaction): Promise<Schedule> {
    const last = await newestFirings(within, [row.id], SHOWN_FIRINGS);
    return toSchedule(row, nextOf(row), last.get(row.id));
  }

  /** In the transaction that it is given, or else in one of its own. */
  const inOne = <T>(tx: Transaction | undefined, work: (tx: Transaction) => Promise<T>): Promise<T> =>
    tx ? work(tx) : transaction(work);

  /** Locks the schedule and says how it stands. @throws ProblemError `not-found` */
  async function lock(tx: Transaction, id: string): Promise<ScheduleRow> {
    await tx.$queryRaw`SELECT 1 AS one FROM schedule WHERE id = ${id} FOR NO KEY UPDATE`;
    const row = await tx.schedule.findFirst({ where: { id, ...own } });
    if (!row) throw unknown(id);
    return row;
  }

  /** @throws ProblemError `conflict` where the name is taken */
  async function named<T>(name: string | undefined, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (name !== undefined && isUniqueViolation(error)) throw nameTaken(name);
      throw error;
    }
  }

  /** Jobs of the schedule that have not ended, newest first. */
  async function unended(tx: Transaction, scheduleId: string): Promise<string[]> {
    const rows = await tx.job.findMany({
      where: { scheduleId, endedAt: null },
      orderBy: { id: 'desc' },
      select: { id: true },
    });
    return rows.map(({ id }) => id);
  }

  /** Makes the job, as far as those that have not ended allow it. @returns its id, or why there is none */
  async function make(
    tx: Transaction,
    { id: scheduleId, tenantId, name, concurrency }: Held,
    plan: JobPlan,
    dueAt: Date,
  ): Promise<{ jobId: string } | { refusal: ProblemError }> {
    const before = concurrency === 'allow' ? [] : await unended(tx, scheduleId);
    if (concurrency === 'forbid' && before[0] !== undefined)
      return {
        refusal: new ProblemError(
          'conflict',
          `Job ${before[0]} of the schedule "${name}" has not ended, and "concurrency: forbid" allows one at a time.`,
        ),
      };
    const owner = await tx.tenant.findUniqueOrThrow({ where: { id: tenantId }, select: { limits: true } });
    const own = { ...limits, ...fromJson<TenantLimits>(owner.limits) };
    const quotas = quotasOf(tenantId);
    try {
      await quotas.assertStorage(own, 0, tx);
      // Before any is cancelled for it: a job that cannot be made replaces none.
      await quotas.assertJobs(own, tx, 1 - before.length);
    } catch (error) {
      if (error instanceof ProblemError) return { refusal: error };
      throw error;
    }
    const jobs = jobsOf(tenantId);
    for (const id of before)
      await jobs.cancel(id, tx).catch((error: unknown) => {
        // It has ended meanwhile.
        if (!(error instanceof ProblemError) || error.code !== 'conflict') throw error;
      });
    const { id: jobId } = await jobs.create(plan, tx, { scheduleId, dueAt });
    return { jobId };
  }

  return {
    /** Writes the schedule down; it is due at the first time from now on. @throws ProblemError `conflict` where the name is taken */
    create: ({ paused, ...input }: ScheduleCreate, tx?: Transaction): Promise<Schedule> =>
      inOne(tx, async (within) => {
        const nextDueAt = paused ? null : nextDueTime(input, new Date());
        const { name, cron, timeZone, concurrency, missed, missedWithinSeconds, mostMissed } = input;
        const row = await named(name, () =>
          within.schedule.create({
            data: {
              ...{ id: newId('sch'), ...own, name, cron, timeZone, paused, nextDueAt, concurrency, missed },
              ...{ missedWithinSeconds, mostMissed, job: toJson(input.job), labels: toJson(input.labels) },
            },
          }),
        );
        await wakeSchedules(within);
        return show(row, within);
      }),

    /**
     * Changes what is given. Another timetable, and the end of a pause, count from now: what would have been due before is not made up for.
     * @throws ProblemError `not-found` · `conflict` where the name is taken
     */
    update: (id: string, update: ScheduleUpdate): Promise<Schedule> =>
      named(update.name, () =>
        transaction(async (tx) => {
          const before = await lock(tx, id);
          const after = { ...before, ...update };
          const keepsTime =
            after.cron === before.cron &&
            after.timeZone === before.timeZone &&
            after.paused === before.paused;
          const timing = keepsTime ? {} : { nextDueAt: after.paused ? null : nextDueTime(after, new Date()) };
          const row = await tx.schedule.update({
            where: { id },
            data: { ...data(update), ...timing, revision: { increment: 1 }, updatedAt: new Date() },
          });
          await wakeSchedules(tx);
          return show(row, tx);
        }),
      ),

    /** Forgets the schedule and its log; its jobs stay and go on. @throws ProblemError `not-found` */
    remove: (id: string): Promise<void> =>
      transaction(async (tx) => {
        await lock(tx, id);
        await tx.schedule.delete({ where: { id } });
        await wakeSchedules(tx);
      }),

    /** By id or name. */
    async find(reference: string): Promise<Schedule | null> {
      const row = await prisma.schedule.findFirst({
        where: { ...own, OR: [{ id: reference }, { name: reference }] },
      });
      return row && show(row, prisma);
    },

    /** Newest first; of each the next time alone. */
    async list({ labels, ...page }: PageRequest & { labels?: Labels | undefined }): Promise<Page<Schedule>> {
      const { where, ...rest } = pageArguments('sch', page);
      // Each on its own: `array_contains` and its like are for arrays, and a path holds one value.
      const labelled: Prisma.ScheduleWhereInput[] = Object.entries(labels ?? {}).map(([key, value]) => ({
        labels: { path: [key], equals: value },
      }));
      const rows = await prisma.schedule.findMany({ ...rest, where: { ...where, ...own, AND: labelled } });
      const last = await newestFirings(
        prisma,
        rows.map(({ id }) => id),
        SHOWN_FIRINGS,
      );
      return pageOf(rows, page.limit, (row) =>
        toSchedule(row, row.nextDueAt === null ? [] : [row.nextDueAt], last.get(row.id)),
      );
    },

    /** Names in use, for a "did you mean". At most 1000, newest first. */
    async names(): Promise<string[]> {
      const rows = await prisma.schedule.findMany({
        ...{ where: own, select: { name: true }, orderBy: { id: 'desc' }, take: 1000 },
      });
      return rows.map(({ name }) => name);
    },

    /** What became of its times, newest first. */
    firings: (
      id: string,
      page: PageRequest & { outcome?: FiringOutcome | undefined },
    ): Promise<Page<Firing>> => pageOfFirings(prisma, id, page),

    /** Timetables of all schedules that are not paused: what the queue is to hold. */
    async timetables(): Promise<({ id: string; revision: number } & Timetable)[]> {
      return prisma.schedule.findMany({
        where: { ...own, nextDueAt: { not: null } },
        select: { id: true, revision: true, cron: true, timeZone: true },
      });
    },

    /** Ids of those whose time was so long ago, the longest first. */
    async overdue({ seconds, limit }: { seconds: number; limit: number }): Promise<string[]> {
      const rows = await prisma.$queryRaw<{ id: string }[]>`
        SELECT id FROM schedule WHERE ${ownedSql(tenant, 'schedule')}
          AND next_due_at < statement_timestamp() - make_interval(secs => ${seconds}::float8)
        ORDER BY next_due_at LIMIT ${limit}`;
      return rows.map(({ id }) => id);
    },

    /** A schedule to plan a firing of, and the time by the database's clock; null where it is gone or paused. */
    async due(id: string): Promise<(DueSchedule & { now: Date }) | null> {
      const row = await prisma.schedule.findFirst({ where: { id, ...own } });
      if (!row?.nextDueAt) return null;
      const [clock] = await prisma.$queryRaw<{ now: Date }[]>`SELECT clock_timestamp() AS now`;
      return { ...toDue({ ...row, nextDueAt: row.nextDueAt }), now: clock!.now };
    },

    /**
     * Sees to the time `dueAt` of a schedule and moves it on to `next`: makes the job of `settled`, or notes why there is none.
     * @param missed how many times before it are left out with it
     * @returns null where the schedule is no longer as it was planned by, or the time was seen to before: then there is nothing new
     */
    settle: (
      schedule: Pick<DueSchedule, 'id' | 'revision' | 'nextDueAt'>,
      { dueAt, next, missed }: { dueAt: Date; next: Date | null; missed: number },
      settled: Settled,
    ): Promise<Firing | null> =>
      transaction(async (tx) => {
        const { id: scheduleId } = schedule;
        await tx.$queryRaw`SELECT 1 AS one FROM schedule WHERE id = ${scheduleId} FOR NO KEY UPDATE`;
        const held = await tx.schedule.findFirst({ where: { id: scheduleId, ...own } });
        if (held?.revision !== schedule.revision) return null;
        if (held.nextDueAt?.getTime() !== schedule.nextDueAt.getTime()) return null;
        await tx.schedule.update({ where: { id: scheduleId }, data: { nextDueAt: next } });
        // A clock that was put back may come by a time again.
        if (await tx.firing.findFirst({ where: { scheduleId, trigger: 'cron', dueAt } })) return null;
        const entry = { scheduleId, trigger: 'cron', dueAt, missed } as const;
        if (!('plan' in settled)) return insertFiring(tx, { ...entry, ...settled });
        const made = await make(tx, held, settled.plan, dueAt);
        return 'jobId' in made
          ? insertFiring(tx, { ...entry, outcome: 'job', jobId: made.jobId })
          : insertFiring(tx, { ...entry, outcome: 'skipped', problem: made.refusal.toProblem() });
      }),

    /**
     * Makes a job of a schedule now, whatever its timetable says and also while it is paused.
     * @throws ProblemError `not-found` · `conflict` where `concurrency: forbid` does not allow it
     */
    trigger: (id: string, plan: JobPlan, tx?: Transaction): Promise<Firing> =>
      inOne(tx, async (within) => {
        const held = await lock(within, id);
        const dueAt = new Date();
        const made = await make(within, held, plan, dueAt);
        if ('refusal' in made) throw made.refusal;
        return insertFiring(within, {
          ...{ scheduleId: id, trigger: 'manual', dueAt, outcome: 'job', jobId: made.jobId },
        });
      }),

    /** Calls back when a schedule was made, changed or removed. */
    listen: (onWake: () => void): Promise<ListenHandle> => listener.listen(SCHEDULE_CHANNEL, () => onWake()),
  };
}
