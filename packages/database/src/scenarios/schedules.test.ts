/** Schedules: each time is seen to once, whoever asks, and what a schedule says of its jobs holds. */
import { type Firing, ProblemError, type Schedule, type ScheduleCreate } from '@rela/contracts';
import pg from 'pg';
import { expect, it } from 'vitest';
import type { DueSchedule, Settled } from '../index.js';
import { addSchedule, complete, digestOf, examplePlan } from '../testing/examples.js';
import { useScratch } from '../testing/scratch.js';

const scratch = useScratch();
const MINUTE = 60_000;

async function sql(text: string, values: unknown[] = []): Promise<void> {
  const client = new pg.Client({ connectionString: scratch.postgres.url });
  await client.connect();
  await client.query(text, values).finally(() => client.end());
}

/** A schedule that has been due since `minutes` ago. */
async function dueSchedule(options: Partial<ScheduleCreate> = {}, minutes = 3): Promise<DueSchedule> {
  const { id } = await addSchedule(scratch.database, options);
  const since = new Date(Math.floor(Date.now() / MINUTE - minutes) * MINUTE);
  await sql('UPDATE schedule SET next_due_at = $2 WHERE id = $1', [id, since]);
  return (await scratch.database.schedules.due(id))!;
}

const after = (time: Date) => new Date(time.getTime() + MINUTE);

/** Sees to its next time. */
async function settle(due: DueSchedule, settled?: Settled, missed = 0): Promise<Firing | null> {
  const { database } = scratch;
  const dueAt = due.nextDueAt;
  const what = settled ?? { plan: await examplePlan(database) };
  return database.schedules.settle(due, { dueAt, next: after(dueAt), missed }, what);
}

const find = async (id: string): Promise<Schedule> => (await scratch.database.schedules.find(id))!;

const again = async ({ id }: DueSchedule): Promise<DueSchedule> =>
  (await scratch.database.schedules.due(id))!;

async function refusal(work: Promise<unknown>): Promise<ProblemError> {
  const error = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(ProblemError);
  return error as ProblemError;
}

it('makes one job of a time that ten processes see to at once, and the job names it', async () => {
  const { database } = scratch;
  const due = await dueSchedule();
  const plan = await examplePlan(database, { labels: { team: 'vision' } });
  const settled = await Promise.all(Array.from({ length: 10 }, () => settle(due, { plan })));
  const made = settled.filter((firing) => firing !== null);
  expect(made).toMatchObject([{ outcome: 'job', trigger: 'cron', dueAt: due.nextDueAt.toISOString() }]);
  const jobs = (await database.jobs.list({ limit: 50, schedule: due.id })).items;
  expect(jobs).toMatchObject([
    {
      id: made[0]!.jobId,
      scheduleId: due.id,
      dueAt: due.nextDueAt.toISOString(),
      labels: { team: 'vision' },
    },
  ]);
  expect((await again(due)).nextDueAt).toEqual(after(due.nextDueAt));
});

it('makes nothing for a time that was seen to, even where the row is put back to it', async () => {
  const due = await dueSchedule();
  await settle(due);
  await sql('UPDATE schedule SET next_due_at = $2 WHERE id = $1', [due.id, due.nextDueAt]);
  expect(await settle(due)).toBeNull();
  expect((await again(due)).nextDueAt).toEqual(after(due.nextDueAt));
  expect((await scratch.database.jobs.list({ limit: 50, schedule: due.id })).items).toHaveLength(1);
});

it('makes nothing by a plan of the schedule as it was before a change', async () => {
  const { schedules } = scratch.database;
  const due = await dueSchedule();
  await schedules.update(due.id, { labels: { team: 'audio' } });
  expect(await settle(due)).toBeNull();
  expect(await settle(await again(due))).toMatchObject({ outcome: 'job' });
  await schedules.update(due.id, { paused: true });
  expect(await schedules.due(due.id)).toBeNull();
  await schedules.remove(due.id);
  expect(await settle(due)).toBeNull();
});

it('skips a time while a job of it has not ended where that is forbidden, and says which', async () => {
  const { database } = scratch;
  const due = await dueSchedule({ concurrency: 'forbid' });
  const first = await settle(due);
  const second = await settle(await again(due));
  expect(second).toMatchObject({ outcome: 'skipped', jobId: null, problem: { code: 'conflict' } });
  expect(second?.problem?.detail).toContain(first!.jobId);
  const job = (await database.jobs.get(first!.jobId!))!;
  await complete(database, job, ['embed-0', 'embed-1', 'reduce', 'train-0', 'evaluate-0']);
  expect(await settle(await again(due))).toMatchObject({ outcome: 'job' });
});

it('cancels the job before where it is to be replaced, and lets both go on where that is allowed', async () => {
  const { jobs } = scratch.database;
  for (const [concurrency, status] of [
    ['replace', 'cancelled'],
    ['allow', 'queued'],
  ] as const) {
    const due = await dueSchedule({ concurrency });
    const first = await settle(due);
    const second = await settle(await again(due));
    expect(await jobs.get(first!.jobId!)).toMatchObject({ status });
    expect(await jobs.get(second!.jobId!)).toMatchObject({ status: 'queued' });
  }
});

it('keeps what went wrong, and what was too late, in the log of the schedule', async () => {
  const { schedules } = scratch.database;
  const due = await dueSchedule();
  const problem = new ProblemError('not-ready', 'Dataset "digits" is queued.').toProblem();
  await settle(due, { outcome: 'failed', problem });
  await settle(await again(due), { outcome: 'missed' }, 7);
  const { jobId } = (await settle(await again(due)))!;
  const log = [
    { outcome: 'job', jobId, problem: null, missed: 0 },
    { outcome: 'missed', jobId: null, missed: 7 },
    { outcome: 'failed', jobId: null, problem },
  ];
  expect((await find(due.id)).last).toMatchObject(log);
  const pages: Firing[] = [];
  for (let cursor: string | undefined; ; ) {
    const page = await schedules.firings(due.id, { limit: 2, cursor });
    pages.push(...page.items);
    if (page.next === null) break;
    cursor = page.next;
  }
  expect(pages).toMatchObject(log);
  expect((await schedules.firings(due.id, { limit: 9, outcome: 'failed' })).items).toMatchObject([log[2]]);
  expect((await refusal(schedules.firings(due.id, { limit: 9, cursor: 'job_1' }))).code).toBe(
    'invalid-request',
  );
});

it('makes a job when somebody asks, also of a paused schedule, as far as concurrency allows', async () => {
  const { database } = scratch;
  const { id } = await addSchedule(database, { paused: true, concurrency: 'forbid' });
  const trigger = async () => {
    const plan = await examplePlan(database);
    return database.transaction((tx) => database.schedules.trigger(id, plan, tx));
  };
  const firing = await trigger();
  expect(firing).toMatchObject({ trigger: 'manual', outcome: 'job', scheduleId: id });
  expect(await database.jobs.get(firing.jobId!)).toMatchObject({ scheduleId: id, dueAt: firing.dueAt });
  expect((await refusal(trigger())).detail).toContain('has not ended');
  expect((await find(id)).last).toHaveLength(1);
});

it('counts a new timetable, and the end of a pause, from now', async () => {
  const { schedules } = scratch.database;
  const due = await dueSchedule({}, 60);
  expect(await schedules.overdue({ seconds: 10, limit: 100 })).toContain(due.id);
  await schedules.update(due.id, { name: 'only another name' });
  expect((await again(due)).nextDueAt).toEqual(due.nextDueAt);
  await schedules.update(due.id, { cron: '0 0 1 1 *', timeZone: 'Asia/Tokyo' });
  // New year in Tokyo is three in the afternoon in London.
  expect((await find(due.id)).next[0]).toMatch(/-12-31T15:00:00\.000Z$/);
  expect(await schedules.overdue({ seconds: 10, limit: 100 })).not.toContain(due.id);
  const paused = await schedules.update(due.id, { paused: true });
  expect(paused.next).toEqual([]);
  expect((await schedules.timetables()).map(({ id }) => id)).not.toContain(due.id);
  await schedules.update(due.id, { paused: false, cron: '* * * * *' });
  expect((await again(due)).nextDueAt.getTime()).toBeGreaterThan(Date.now());
});

it('says who has the name, finds by name and label, and names each change by a revision', async () => {
  const { schedules } = scratch.database;
  const one = await addSchedule(scratch.database, { name: 'nightly', labels: { team: 'x', kind: 'y' } });
  const other = await addSchedule(scratch.database, { labels: { team: 'x' } });
  expect((await refusal(addSchedule(scratch.database, { name: 'nightly' }))).code).toBe('conflict');
  expect((await refusal(schedules.update(other.id, { name: 'nightly' }))).code).toBe('conflict');
  expect(await find('nightly')).toMatchObject({ id: one.id });
  const ids = async (labels: Record<string, string>) =>
    (await schedules.list({ limit: 9, labels })).items.map(({ id }) => id);
  expect(await ids({ team: 'x' })).toEqual([other.id, one.id]);
  expect(await ids({ team: 'x', kind: 'y' })).toEqual([one.id]);
  const revision = async () => (await schedules.timetables()).find(({ id }) => id === one.id)?.revision;
  const before = (await revision())!;
  await schedules.update(one.id, { cron: '@hourly' });
  expect(await revision()).toBe(before + 1);
  expect((await refusal(schedules.update('sch_none', { paused: true }))).code).toBe('not-found');
  expect((await refusal(schedules.remove('sch_none'))).code).toBe('not-found');
});

it('wakes those who listen when a schedule is made, changed or removed', async () => {
  const { schedules } = scratch.database;
  let calls = 0;
  let heard: () => void = () => undefined;
  const next = () => new Promise<void>((resolve) => (heard = resolve));
  const handle = await schedules.listen(() => {
    calls += 1;
    heard();
  });
  let hears = next();
  const { id } = await addSchedule(scratch.database);
  await hears;
  hears = next();
  await schedules.update(id, { paused: true });
  await hears;
  hears = next();
  await schedules.remove(id);
  await hears;
  expect(calls).toBeGreaterThanOrEqual(3);
  await handle.close();
});

it('keeps the newest thousand firings of a schedule, and those of others', async () => {
  const due = await dueSchedule();
  const other = await dueSchedule();
  await settle(other, { outcome: 'missed' });
  await sql(
    `INSERT INTO firing (id, schedule_id, trigger, due_at, outcome)
      SELECT 'fir_0' || lpad(n::text, 31, '0'), $1, 'cron', to_timestamp(n), 'missed' FROM generate_series(1, 1200) AS n`,
    [due.id],
  );
  const newest = await settle(due, { outcome: 'missed' });
  const client = new pg.Client({ connectionString: scratch.postgres.url });
  await client.connect();
  const { rows } = await client.query<{ id: string }>(
    'SELECT id FROM firing WHERE schedule_id = $1 ORDER BY id',
    [due.id],
  );
  await client.end();
  expect(rows).toHaveLength(1000);
  expect(rows.at(-1)?.id).toBe(newest?.id);
  expect((await find(other.id)).last).toHaveLength(1);
});

it('keeps an artifact that the job of a schedule names, and a job whose schedule is gone', async () => {
  const { database } = scratch;
  const weights = digestOf('weights that only a schedule names');
  const run = { name: 'only', method: { name: 'byol' }, init: { artifact: weights } };
  const due = await dueSchedule({ job: { dataset: 'digits', runs: [run] } as never });
  const unnamed = async () => database.garbage.unnamed(await database.garbage.collect(), [weights]);
  expect(await unnamed()).toEqual([]);
  const { jobId } = (await settle(due))!;
  await database.schedules.remove(due.id);
  expect(await unnamed()).toEqual([weights]);
  expect(await database.jobs.get(jobId!)).toMatchObject({ scheduleId: due.id, status: 'queued' });
});
