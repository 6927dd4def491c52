import { expect, it } from 'vitest';
import { MOST_COUNTED, nextStep, type Step, type Timing } from './due.js';

const hourly: Timing = {
  ...{ cron: '0 * * * *', timeZone: 'UTC', nextDueAt: new Date('2026-03-01T00:00Z') },
  ...{ missed: 'once', missedWithinSeconds: 24 * 3600, mostMissed: 10 },
};

/** Every step until nothing is due any more, as the orchestrator takes them. */
function steps(timing: Timing, now: string): Step[] {
  const taken: Step[] = [];
  let standing = timing;
  for (;;) {
    const step = nextStep(standing, new Date(now));
    if (!step) return taken;
    taken.push(step);
    if (step.next === null) return taken;
    standing = { ...standing, nextDueAt: step.next };
  }
}

const shown = (timing: Timing, now: string) =>
  steps(timing, now).map(
    ({ dueAt, makesJob, missed }) =>
      `${dueAt.toISOString().slice(8, 16)} ${makesJob ? 'job' : 'none'} ${missed}`,
  );

it('does nothing before the time', () => {
  expect(nextStep(hourly, new Date('2026-02-28T23:59:59.999Z'))).toBeNull();
});

it('makes a job at the time, and is due at the next one then', () => {
  expect(nextStep(hourly, new Date('2026-03-01T00:00:00.020Z'))).toEqual({
    ...{ dueAt: new Date('2026-03-01T00:00Z'), makesJob: true, missed: 0 },
    next: new Date('2026-03-01T01:00Z'),
  });
});

it('counts a time as punctual for a minute, whatever is said of missed ones', () => {
  for (const missed of ['skip', 'once', 'all'] as const)
    expect(shown({ ...hourly, missed }, '2026-03-01T00:01:00Z')).toEqual(['01T00:00 job 0']);
  expect(shown({ ...hourly, missed: 'skip' }, '2026-03-01T00:01:00.001Z')).toEqual(['01T00:00 none 0']);
});

it('makes one job for all that were missed, for the latest of them', () => {
  expect(shown(hourly, '2026-03-01T05:30:00Z')).toEqual(['01T05:00 job 5']);
});

it('makes no second one where a time is punctual as well', () => {
  expect(shown(hourly, '2026-03-01T05:00:30Z')).toEqual(['01T05:00 job 5']);
});

it('makes none for what was missed where it is to be skipped, and one for what is punctual', () => {
  const skip: Timing = { ...hourly, missed: 'skip' };
  expect(shown(skip, '2026-03-01T05:30:00Z')).toEqual(['01T05:00 none 5']);
  expect(shown(skip, '2026-03-01T05:00:30Z')).toEqual(['01T05:00 job 5']);
});

it('makes one for each that was missed, the latest up to the number, in their order', () => {
  const all: Timing = { ...hourly, missed: 'all', mostMissed: 3 };
  expect(shown(all, '2026-03-01T05:30:00Z')).toEqual(['01T03:00 job 3', '01T04:00 job 0', '01T05:00 job 0']);
  expect(shown(all, '2026-03-01T01:30:00Z')).toEqual(['01T00:00 job 0', '01T01:00 job 0']);
});

it('leaves out what was missed longer ago than it looks back', () => {
  const hours: Timing = { ...hourly, missedWithinSeconds: 2 * 3600 };
  expect(shown({ ...hours, missed: 'all' }, '2026-03-01T05:30:00Z')).toEqual([
    '01T04:00 job 4',
    '01T05:00 job 0',
  ]);
  const yearly: Timing = { ...hourly, cron: '@yearly', nextDueAt: new Date('2026-01-01T00:00Z') };
  for (const missed of ['once', 'all', 'skip'] as const)
    expect(shown({ ...yearly, missed }, '2026-03-01T05:30:00Z')).toEqual(['01T00:00 none 0']);
});

it('is due next after a down time as if there had been none', () => {
  for (const missed of ['skip', 'once', 'all'] as const)
    expect(steps({ ...hourly, missed }, '2026-03-01T05:30:00Z').at(-1)?.next).toEqual(
      new Date('2026-03-01T06:00Z'),
    );
});

it('counts no further than a thousand, however long it was down', () => {
  const minutely: Timing = { ...hourly, cron: '* * * * *', missedWithinSeconds: 60 };
  const [step] = steps(minutely, '2027-03-01T00:00:30Z');
  expect(step).toMatchObject({ makesJob: true, missed: MOST_COUNTED });
  expect(step?.dueAt).toEqual(new Date('2027-03-01T00:00Z'));
});

it('makes one job of a night whose clock is put back over the time, and one where it is put forward', () => {
  const nightly = (nextDueAt: string): Timing => ({
    ...{ ...hourly, cron: '30 2 * * *', timeZone: 'Europe/Berlin', missed: 'all' },
    nextDueAt: new Date(nextDueAt),
  });
  expect(shown(nightly('2026-10-25T00:30Z'), '2026-10-25T12:00:00Z')).toEqual(['25T00:30 job 0']);
  expect(shown(nightly('2026-03-29T01:30Z'), '2026-03-29T12:00:00Z')).toEqual(['29T01:30 job 0']);
});
