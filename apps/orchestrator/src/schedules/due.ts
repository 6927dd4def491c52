/** What is next for a schedule whose time has come: which time is seen to, and what is left out because it was missed. */
import { dueTimes, nextDueTime } from '@rela/contracts';
import type { DueSchedule } from '@rela/database';

export type Timing = Pick<
  DueSchedule,
  'cron' | 'timeZone' | 'nextDueAt' | 'missed' | 'missedWithinSeconds' | 'mostMissed'
>;

export interface Step {
  /** The time that is seen to. */
  dueAt: Date;
  /** Whether a job is made for it; otherwise all that was due is left out. */
  makesJob: boolean;
  /** How many times before `dueAt` are left out; no more than {@link MOST_COUNTED} are counted. */
  missed: number;
  /** The time after it, which may have come as well; null where there is none. */
  next: Date | null;
}

/** A time that came no longer ago is not missed: the queue or the work before it was slow. */
const PUNCTUAL_MS = 60_000;
export const MOST_COUNTED = 1000;

interface Due {
  /** Not longer ago than the schedule looks back, the earliest first. */
  times: Date[];
  /** How many before them. */
  earlier: number;
}

function dueBy(timing: Timing, now: Date): Due {
  const { nextDueAt, missedWithinSeconds } = timing;
  const horizon = new Date(now.getTime() - 1000 * missedWithinSeconds);
  const due: Due = { times: [], earlier: 0 };
  let from = nextDueAt;
  if (nextDueAt >= horizon) due.times.push(nextDueAt);
  else {
    due.earlier = 1;
    for (const time of dueTimes(timing, nextDueAt)) {
      if (time >= horizon || due.earlier === MOST_COUNTED) break;
      due.earlier += 1;
    }
    from = new Date(horizon.getTime() - 1);
  }
  for (const time of dueTimes(timing, from)) {
    if (time > now) break;
    due.times.push(time);
  }
  return due;
}

/** Those of the missed times that get a job; a time that is punctual stands for them where one is enough. */
function madeUpFor({ missed, mostMissed }: Timing, late: Date[], hasPunctual: boolean): Date[] {
  switch (missed) {
    case 'skip':
      return [];
    case 'once':
      return hasPunctual ? [] : late.slice(-1);
    case 'all':
      return late.slice(-mostMissed);
  }
}

/** @returns null where the schedule is not due yet */
export function nextStep(timing: Timing, now: Date): Step | null {
  if (timing.nextDueAt > now) return null;
  const { times, earlier } = dueBy(timing, now);
  const isLate = (time: Date) => now.getTime() - time.getTime() > PUNCTUAL_MS;
  const late = times.filter(isLate);
  const punctual = times.slice(late.length);
  const [dueAt] = [...madeUpFor(timing, late, punctual.length > 0), ...punctual];
  const last = times.at(-1) ?? timing.nextDueAt;
  const count = (before: number) => Math.min(Math.max(before, 0), MOST_COUNTED);
  if (!dueAt)
    return {
      ...{ dueAt: last, makesJob: false, missed: count(earlier + times.length - 1) },
      next: nextDueTime(timing, now),
    };
  const at = times.indexOf(dueAt);
  return {
    ...{ dueAt, makesJob: true, missed: count(earlier + at) },
    next: times[at + 1] ?? nextDueTime(timing, dueAt),
  };
}
