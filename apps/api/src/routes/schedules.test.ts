import { RelaApiError, type ScheduleInput } from '@rela/sdk';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { collect } from '../testing/collect.js';
import { startService, type TestService } from '../testing/service.js';
import { addReadyDataset, smallJob } from '../testing/work.js';

let service: TestService;
beforeAll(async () => {
  service = await startService();
  await addReadyDataset(service, 'digits');
});
afterAll(() => service.close());

const nightly = (name: string, more: Partial<ScheduleInput> = {}): ScheduleInput => ({
  ...{ name, cron: '30 2 * * *', timeZone: 'Europe/Berlin', job: smallJob('digits'), ...more },
});

async function refusal(work: Promise<unknown>) {
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(RelaApiError);
  return (error as RelaApiError).problem;
}

it('makes a schedule with its Location, its defaults and its next five times', async () => {
  const { url, client } = service;
  const response = await fetch(`${url}/v1/schedules`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(nightly('first')),
  });
  expect(response.status).toBe(201);
  const made = (await response.json()) as { id: string };
  expect(response.headers.get('location')).toBe(`/v1/schedules/${made.id}`);
  const schedule = await client.schedules.get('first');
  expect(schedule).toEqual(made);
  expect(schedule).toMatchObject({
    ...{ id: made.id, paused: false, concurrency: 'allow', missed: 'once', missedWithinSeconds: 86_400 },
    ...{ mostMissed: 10, labels: {}, last: [], job: { dataset: 'digits', reuse: true } },
  });
  expect(schedule.next).toHaveLength(5);
  for (const time of schedule.next) {
    expect(Date.parse(time)).toBeGreaterThan(Date.now());
    const inBerlin = new Date(time).toLocaleTimeString('en-GB', { timeZone: 'Europe/Berlin' });
    expect(['02:30:00', '03:30:00']).toContain(inBerlin);
  }
  expect((await collect(client.schedules.all({ limit: 1 }))).map(({ id }) => id)).toContain(made.id);
});

it('makes one schedule of a POST that is sent twice under one key, and refuses a name that is taken', async () => {
  const { schedules } = service.client;
  const key = { idempotencyKey: 'one schedule' };
  const [one, other] = [
    await schedules.create(nightly('twice'), key),
    await schedules.create(nightly('twice'), key),
  ];
  expect(other.id).toBe(one.id);
  expect(await refusal(schedules.create(nightly('twice')))).toMatchObject({
    ...{ status: 409, code: 'conflict', errors: [{ field: 'name' }] },
  });
});

it('says at once what is wrong with the timetable, and with the job by its field', async () => {
  const { schedules } = service.client;
  const faults = async (more: Partial<ScheduleInput>) =>
    (await refusal(schedules.create(nightly('wrong', more)))).errors?.map(
      ({ field, message }) => `${field}: ${message}`,
    );
  expect(await faults({ cron: '30 25 * * *' })).toEqual([
    expect.stringMatching(/^cron: .*expected range 0-23/),
  ]);
  expect(await faults({ cron: '@nightly' })).toEqual([expect.stringContaining('cron: is no name')]);
  expect(await faults({ timeZone: 'Europe/Berln' })).toEqual([expect.stringContaining('"Europe/Berlin"')]);
  expect(await faults({ missedWithinSeconds: 5 })).toEqual([expect.stringMatching(/^missedWithinSeconds/)]);
  const run = { name: 'only', method: { name: 'byol' as const }, batchSize: 8 };
  expect(await faults({ job: { dataset: 'digits', runs: [{ ...run, rela: {} }] } })).toEqual([
    expect.stringMatching(/^job\.prior: /),
  ]);
  expect(await faults({ job: { dataset: 'digits', runs: [{ ...run, continueFrom: 'run_0' }] } })).toEqual([
    expect.stringMatching(/^job\.runs\[0\]\.continueFrom: /),
  ]);
  const many = (from: number) =>
    Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`key${from + index}`, 'x']));
  expect(await faults({ labels: many(0), job: { ...smallJob('digits'), labels: many(20) } })).toEqual([
    expect.stringMatching(/^job\.labels: has more than 32/),
  ]);
  const unknown = await refusal(schedules.create(nightly('wrong', { job: smallJob('digist') })));
  expect(unknown).toMatchObject({ status: 404, detail: expect.stringContaining('did you mean "digits"') });
  expect((await refusal(schedules.get('wrong'))).code).toBe('not-found');
});

it('changes what is given, checks it, and leaves the rest', async () => {
  const { schedules } = service.client;
  const before = await schedules.create(nightly('changing'));
  const after = await schedules.update('changing', { cron: '@hourly', labels: { team: 'vision' } });
  expect(after).toMatchObject({ id: before.id, cron: '@hourly', timeZone: 'Europe/Berlin', job: before.job });
  expect(after.next[0]).not.toBe(before.next[0]);
  expect((await refusal(schedules.update('changing', {}))).detail).toContain('nothing to change');
  expect((await refusal(schedules.update('changing', { job: smallJob('digist') }))).code).toBe('not-found');
  expect((await refusal(schedules.update('changing', { cron: 'never' }))).errors?.[0]?.field).toBe('cron');
  expect(await schedules.get('changing')).toMatchObject({ cron: '@hourly', labels: { team: 'vision' } });
  expect((await schedules.pause('changing')).next).toEqual([]);
  expect((await schedules.resume('changing')).next).toHaveLength(5);
  expect((await collect(schedules.all({ labels: { team: 'vision' } }))).map(({ name }) => name)).toEqual([
    'changing',
  ]);
});

it('makes a job when somebody asks, which names the schedule and has the labels of both', async () => {
  const { client } = service;
  const { id } = await client.schedules.create(
    nightly('asked', {
      ...{ concurrency: 'forbid', labels: { team: 'vision', kind: 'nightly' } },
      job: { ...smallJob('digits'), labels: { kind: 'own' } },
    }),
  );
  const key = { idempotencyKey: 'one trigger' };
  const firing = await client.schedules.trigger('asked', key);
  expect(await client.schedules.trigger('asked', key)).toEqual(firing);
  const jobs = await collect(client.jobs.all({ schedule: id }));
  expect(jobs).toMatchObject([
    { id: firing.jobId, scheduleId: id, dueAt: firing.dueAt, labels: { team: 'vision', kind: 'own' } },
  ]);
  expect(await refusal(client.schedules.trigger('asked'))).toMatchObject({ status: 409, code: 'conflict' });
  await client.jobs.cancel(firing.jobId!);
  const second = await client.schedules.trigger('asked');
  expect((await collect(client.schedules.allFirings('asked', { limit: 1 }))).map((one) => one.id)).toEqual([
    second.id,
    firing.id,
  ]);
  expect((await client.schedules.firings('asked', { outcome: 'failed' })).items).toEqual([]);
});

it('deletes a schedule and leaves its jobs', async () => {
  const { client, url } = service;
  const { id } = await client.schedules.create(nightly('gone'));
  const { jobId } = await client.schedules.trigger(id);
  const response = await fetch(`${url}/v1/schedules/gone`, { method: 'DELETE' });
  expect([response.status, await response.text()]).toEqual([204, '']);
  expect(await refusal(client.schedules.delete(id))).toMatchObject({ status: 404 });
  expect(await client.jobs.get(jobId!)).toMatchObject({ scheduleId: id, status: 'queued' });
});
