import { Job, JobEvent } from '@rela/contracts';
import type { JobUpdate } from '@rela/sdk';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { collect } from '../testing/collect.js';
import { startService, type TestService } from '../testing/service.js';
import { addReadyDataset, claimStages, smallJob, workOff } from '../testing/work.js';

const model = new TextEncoder().encode('model');
let service: TestService;
beforeAll(async () => {
  service = await startService();
  await addReadyDataset(service, 'digits');
});
afterAll(() => service.close());

const newJob = () => service.client.jobs.create({ ...smallJob('digits'), reuse: false });
const sequences = (updates: JobUpdate[]) =>
  updates.flatMap((update) => (update.type === 'progress' ? [] : [update.sequence]));
/** Ids as they come over the wire. */
async function sentIds(jobId: string, after: number): Promise<number[]> {
  const headers = { 'last-event-id': String(after) };
  const text = await (await fetch(`${service.url}/v1/jobs/${jobId}/events`, { headers })).text();
  return [...text.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id));
}
const upTo = (count: number) => Array.from({ length: count }, (_value, index) => index + 1);

it('gives every event from the first to the last while the job is worked on, then ends', async () => {
  const { id } = await newJob();
  const following = collect(service.client.jobs.follow(id));
  await workOff(service, id, model);
  const updates = await following;
  const seen = sequences(updates);
  expect(seen).toEqual(upTo(seen.length));
  const last = updates.filter((update) => update.type !== 'progress').at(-1);
  expect(last).toMatchObject({ type: 'job', status: 'succeeded' });
});

it('gives twenty followers the same events', async () => {
  const { id } = await newJob();
  const followers = Array.from({ length: 20 }, () => collect(service.client.jobs.follow(id)));
  await workOff(service, id, model);
  const seen = (await Promise.all(followers)).map(sequences);
  for (const one of seen) expect(one).toEqual(upTo(seen[0]!.length));
});

it('goes on after Last-Event-ID, without a gap or a repetition', async () => {
  const { id } = await newJob();
  await workOff(service, id, model);
  const all = sequences(await collect(service.client.jobs.follow(id)));
  for (const after of [1, 3, all.length - 1]) {
    const rest = await collect(service.client.jobs.follow(id, { lastEventId: after }));
    expect(sequences(rest)).toEqual(all.slice(after));
    // The client drops what it has already; the service must not send it in the first place.
    expect(await sentIds(id, after)).toEqual(all.slice(after));
  }
});

it('answers 204 to one who has every event of a job that has ended', async () => {
  const { id } = await newJob();
  await service.client.jobs.cancel(id);
  const count = sequences(await collect(service.client.jobs.follow(id))).length;
  const response = await fetch(`${service.url}/v1/jobs/${id}/events`, {
    headers: { 'last-event-id': String(count) },
  });
  expect(response.status).toBe(204);
});

it('names each event by its kind and gives its sequence as id', async () => {
  const { id } = await newJob();
  await service.client.jobs.cancel(id);
  const response = await fetch(`${service.url}/v1/jobs/${id}/events`);
  expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
  const blocks = (await response.text()).split('\n\n').filter((block) => block.startsWith('id: '));
  expect(blocks.length).toBeGreaterThan(0);
  for (const [index, block] of blocks.entries()) {
    const [head, name, data] = block.split('\n');
    const event = JobEvent.parse(JSON.parse(data!.slice('data: '.length)));
    expect([head, name]).toEqual([`id: ${index + 1}`, `event: ${event.type}`]);
  }
});

it('tells how far the job is when that has changed', async () => {
  const { id } = await newJob();
  const [claim] = await claimStages(service, id);
  const leave = new AbortController();
  for await (const update of service.client.jobs.follow(id, { signal: leave.signal })) {
    if (update.type !== 'progress') {
      const progress = { done: 3, total: 8, unit: 'steps', rate: 1, secondsLeft: 5 };
      await service.database.stages.heartbeat(claim!, { leaseSeconds: 60, progress });
      continue;
    }
    const { stages } = Job.parse(update.job);
    if (stages.some((stage) => stage.progress?.done === 3)) break;
  }
  await service.client.jobs.cancel(id);
});

it('gives pages of events to those who ask for JSON', async () => {
  const { id } = await newJob();
  await workOff(service, id, model);
  const read = async (query: string) =>
    (await (
      await fetch(`${service.url}/v1/jobs/${id}/events?${query}`, { headers: { accept: 'application/json' } })
    ).json()) as { items: JobEvent[]; next: string | null };
  const all = await read('');
  expect(all.items.map((event) => event.sequence)).toEqual(upTo(all.items.length));
  expect(all.next).toBeNull();
  const page = await read('after=1&limit=2');
  expect(page.items.map((event) => event.sequence)).toEqual([2, 3]);
  expect(page.next).toBe('3');
});

it('refuses a sequence, or a step, beyond what a column holds', async () => {
  const job = await newJob();
  for (const path of [`jobs/${job.id}/events`, `runs/${job.runs[0]!.id}/metrics`]) {
    const response = await fetch(`${service.url}/v1/${path}?after=${2 ** 31}`);
    expect(await response.json()).toMatchObject({ status: 400, errors: [{ field: 'after' }] });
  }
});

it('answers a job that does not exist with a problem, not a stream', async () => {
  const response = await fetch(`${service.url}/v1/jobs/job_none/events`);
  expect(response.status).toBe(404);
  expect(await response.json()).toMatchObject({ code: 'not-found' });
});

it('forgets a client that left', async () => {
  const { id } = await newJob();
  const leave = new AbortController();
  const follower = service.client.jobs.follow(id, { signal: leave.signal });
  await follower.next();
  leave.abort();
  await expect(collect(follower)).rejects.toMatchObject({ name: 'AbortError' });
  await service.client.jobs.cancel(id);
});
