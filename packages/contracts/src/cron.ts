/** Timetables: a cron expression in a time zone, and the times that are due by it. cron-parser, which BullMQ uses too, decides what they mean. */
import { CronExpressionParser } from 'cron-parser';
import { z } from 'zod';
import { nearest } from './explain.js';

export interface Timetable {
  cron: string;
  timeZone: string;
}

/**
 * The times after `after`, the earliest first; without end, or until `until`: a search for what comes rarely takes long.
 * @throws Error of cron-parser where the expression or the time zone is not valid
 */
export function* dueTimes(
  { cron, timeZone }: Timetable,
  after: Date,
  until?: Date,
): Generator<Date, void, undefined> {
  const end = until ? { endDate: until } : {};
  const times = CronExpressionParser.parse(cron, { tz: timeZone, currentDate: after, ...end });
  for (;;) {
    let next: Date;
    try {
      next = times.next().toDate();
    } catch {
      // Such a date never comes; cron-parser asked with `hasNext` would look for each time twice.
      return;
    }
    yield next;
  }
}

/** The first `count` times after `after`, or as many as there are until `until`. @throws as `dueTimes` */
export function firstDueTimes(timetable: Timetable, after: Date, count: number, until?: Date): Date[] {
  const found: Date[] = [];
  for (const time of dueTimes(timetable, after, until)) {
    found.push(time);
    if (found.length === count) break;
  }
  return found;
}

/** The first time after `after`; null where there is none. @throws as `dueTimes` */
export function nextDueTime(timetable: Timetable, after: Date): Date | null {
  return firstDueTimes(timetable, after, 1)[0] ?? null;
}

const NAMES = [
  ...['@yearly', '@annually', '@monthly', '@weekly', '@daily', '@hourly', '@minutely', '@weekdays'],
  '@weekends',
];
/** cron-parser draws a time for it, another one with every process. */
const DRAWN = /(^|[^A-Z])H([^A-Z]|$)/i;
/** What does not come between these comes too rarely to be meant: a 29 February comes within eight years. */
const SOME_TIME = new Date('2000-01-01');
const TEN_YEARS_ON = new Date('2010-01-01');

function faultOf(cron: string): string | null {
  if (cron.startsWith('@')) {
    if (NAMES.includes(cron)) return null;
    const meant = nearest(cron, NAMES);
    return `is no name that is known${meant ? `; did you mean "${meant}"?` : `; there are ${NAMES.join(', ')}`}`;
  }
  if (cron.trim().split(/\s+/).length !== 5)
    return 'must have five fields (minute, hour, day of month, month, day of week), such as "30 3 * * 1-5", or be a name such as "@daily"';
  if (DRAWN.test(cron)) return 'has an H, which stands for a time that is drawn; name the time';
  try {
    const found = firstDueTimes({ cron, timeZone: 'UTC' }, SOME_TIME, 1, TEN_YEARS_ON);
    return found.length > 0 ? null : 'names a date that never comes, or not once in ten years';
  } catch (error) {
    return `is not valid: ${(error as Error).message}`;
  }
}

export const Cron = z
  .string()
  .max(200)
  .superRefine((cron, context) => {
    const message = faultOf(cron);
    if (message !== null) context.addIssue({ code: 'custom', message });
  })
  .describe(
    'five fields (minute, hour, day of month, month, day of week), such as "30 3 * * 1-5", or a name such as "@daily"',
  )
  .meta({ examples: ['30 3 * * 1-5', '@daily'] });

/** Luxon, below cron-parser, also takes names that mean the zone of the machine. */
const OF_THE_MACHINE = /^(local|system|default)$/i;

function isTimeZone(timeZone: string): boolean {
  if (OF_THE_MACHINE.test(timeZone)) return false;
  try {
    return nextDueTime({ cron: '@daily', timeZone }, SOME_TIME) !== null;
  } catch {
    return false;
  }
}

export const TimeZone = z
  .string()
  .min(1)
  .max(64)
  .superRefine((timeZone, context) => {
    if (isTimeZone(timeZone)) return;
    const meant = nearest(timeZone, Intl.supportedValuesOf('timeZone'));
    context.addIssue({
      code: 'custom',
      message: `is no time zone of the IANA database${meant ? `; did you mean "${meant}"?` : ', such as "Europe/Berlin" or "UTC"'}`,
    });
  })
  .describe('of the IANA database, such as Europe/Berlin')
  .meta({ examples: ['Europe/Berlin'] });
