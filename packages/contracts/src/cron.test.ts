import { createRequire } from 'node:module';
import { expect, it } from 'vitest';
import { Cron, firstDueTimes, nextDueTime, TimeZone } from './cron.js';

const times = (cron: string, timeZone: string, after: string, count: number): string[] =>
  firstDueTimes({ cron, timeZone }, new Date(after), count).map((time) =>
    time.toISOString().replace(':00.000Z', 'Z'),
  );

const faultOf = (schema: typeof Cron | typeof TimeZone, text: string) =>
  schema.safeParse(text).error?.issues[0]?.message;

it('takes five fields, names of days and months, and the names of common timetables', () => {
  for (const cron of [
    '30 3 * * 1-5',
    '*/15 0-6,22 1 JAN,jul *',
    '0 0 L * *',
    '0 9 * * THU',
    '@daily',
    '@weekdays',
  ])
    expect(faultOf(Cron, cron), cron).toBeUndefined();
});

it('refuses what is no timetable, and says why', () => {
  expect(faultOf(Cron, '* * * *')).toContain('five fields');
  expect(faultOf(Cron, '* * * * * *')).toContain('five fields');
  expect(faultOf(Cron, '')).toContain('five fields');
  expect(faultOf(Cron, '60 * * * *')).toContain('got value 60 expected range 0-59');
  expect(faultOf(Cron, '@dayly')).toContain('did you mean "@daily"');
  expect(faultOf(Cron, '@secondly')).toContain('no name that is known');
  expect(faultOf(Cron, 'H 3 * * *')).toContain('has an H');
  expect(faultOf(Cron, '0 0 30 2 *')).toContain('is not valid');
  expect(faultOf(Cron, '0 0 31 4,6 *')).toContain('never comes');
  // The fifth Monday of a February: 2016, 2044, …
  expect(faultOf(Cron, '0 0 * 2 1#5')).toContain('not once in ten years');
  expect(faultOf(Cron, '0 0 29 2 *')).toBeUndefined();
});

it('takes time zones of the IANA database only', () => {
  for (const zone of ['UTC', 'Europe/Berlin', 'Asia/Calcutta', 'US/Eastern'])
    expect(faultOf(TimeZone, zone), zone).toBeUndefined();
  expect(faultOf(TimeZone, 'Europe/Berln')).toContain('did you mean "Europe/Berlin"');
  for (const zone of ['Mars/Olympus', '+02:00', 'local', 'system'])
    expect(faultOf(TimeZone, zone), zone).toContain('is no time zone');
});

it('finds the times by the clock of the zone', () => {
  expect(times('0 9 * * 1-5', 'America/New_York', '2026-01-02T00:00Z', 3)).toEqual([
    '2026-01-02T14:00Z',
    '2026-01-05T14:00Z',
    '2026-01-06T14:00Z',
  ]);
  // A day of the month or a day of the week: either will do, as in every cron.
  expect(times('0 0 13 * 5', 'UTC', '2026-01-03T00:00Z', 2)).toEqual([
    '2026-01-09T00:00Z',
    '2026-01-13T00:00Z',
  ]);
  expect(nextDueTime({ cron: '0 0 29 2 *', timeZone: 'UTC' }, new Date('2026-01-01'))?.getUTCFullYear()).toBe(
    2028,
  );
});

// What docs/schedules.md says of clocks that are put forward and back.
it('moves a time that the clock leaves out in spring to an hour later on that day', () => {
  expect(times('30 2 * * *', 'Europe/Berlin', '2026-03-28T12:00Z', 2)).toEqual([
    '2026-03-29T01:30Z', // 3:30 by the clock
    '2026-03-30T00:30Z',
  ]);
  expect(times('30 2 * * *', 'America/New_York', '2026-03-07T12:00Z', 1)).toEqual(['2026-03-08T07:30Z']);
});

it('leaves the day out where the clock is put forward at midnight, or by half an hour', () => {
  // 29 March has no midnight in Beirut.
  expect(times('0 0 * * *', 'Asia/Beirut', '2026-03-27T12:00Z', 2)).toEqual([
    '2026-03-27T22:00Z',
    '2026-03-29T21:00Z',
  ]);
  // 4 October has no 2:15 on Lord Howe Island.
  expect(times('15 2 * * *', 'Australia/Lord_Howe', '2026-10-03T00:00Z', 1)).toEqual(['2026-10-04T15:15Z']);
});

it('takes a time that the clock shows twice in autumn once, the first time', () => {
  expect(times('30 2 * * *', 'Europe/Berlin', '2026-10-24T12:00Z', 2)).toEqual([
    '2026-10-25T00:30Z',
    '2026-10-26T01:30Z',
  ]);
});

it('fires each hour of a clock that is put forward or back, none left out and none twice', () => {
  expect(times('0 * * * *', 'Europe/Berlin', '2026-03-29T00:00Z', 3)).toEqual([
    '2026-03-29T01:00Z',
    '2026-03-29T02:00Z',
    '2026-03-29T03:00Z',
  ]);
  expect(times('0 * * * *', 'Europe/Berlin', '2026-10-24T23:00Z', 3)).toEqual([
    '2026-10-25T00:00Z',
    '2026-10-25T01:00Z',
    '2026-10-25T02:00Z',
  ]);
});

it('is the version that BullMQ counts with, so that the queue and the rows mean the same times', () => {
  const versionFor = (from: string) =>
    createRequire(createRequire(import.meta.url).resolve(from))('cron-parser/package.json').version;
  expect(versionFor('bullmq')).toBe(createRequire(import.meta.url)('cron-parser/package.json').version);
});
