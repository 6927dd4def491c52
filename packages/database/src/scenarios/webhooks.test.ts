import { WebhookCreate, type WebhookEventType, WebhookPayload } from '@rela/contracts';
import pg from 'pg';
import { afterEach, expect, it } from 'vitest';
import type { ClaimedDelivery } from '../index.js';
import { claimOf, complete, examplePlan, resultOf, stageOf } from '../testing/examples.js';
import { useScratch } from '../testing/scratch.js';

const scratch = useScratch();
const REQUEST = { limit: 100, perWebhook: 100, leaseSeconds: 60 };
const STAGES = ['embed-0', 'reduce', 'train-0', 'evaluate-0'];

async function sql(text: string): Promise<void> {
  const client = new pg.Client({ connectionString: scratch.postgres.url });
  await client.connect();
  await client.query(text).finally(() => client.end());
}
afterEach(() => sql('DELETE FROM webhook'));

const add = (more: object = {}) =>
  scratch.database.webhooks.create(WebhookCreate.parse({ url: 'https://example.com/', ...more }));
const addJob = async (labels = {}) => {
  const { database } = scratch;
  return database.jobs.create(await examplePlan(database, { shards: 1, labels }));
};
const typesFor = async (id: string) =>
  (await scratch.database.webhooks.deliveries(id, { limit: 200 })).items.map(({ type }) => type).reverse();

const outcome = ({ id, attempt }: ClaimedDelivery) => ({
  ...{ id, attempt, status: 200, error: null, milliseconds: 5, answer: 'ok' },
  ...{ retrySeconds: null, counts: true, disable: null },
});
const failed = (claimed: ClaimedDelivery, retrySeconds: number | null) => ({
  ...outcome(claimed),
  ...{ status: 500, error: 'It answered 500.', retrySeconds },
});

it('tells a webhook of the events that it asked for, of jobs with its labels, and of no others', async () => {
  const { database } = scratch;
  const events: WebhookEventType[] = ['job.running', 'run.running', 'run.succeeded', 'job.succeeded'];
  const hooks = {
    all: await add({ events }),
    ends: await add(),
    labelled: await add({ labels: { team: 'vision' } }),
    off: await add({ enabled: false }),
  };
  await complete(database, await addJob(), STAGES);
  const cancelled = await addJob({ team: 'vision', ticket: '7' });
  await database.jobs.cancel(cancelled.id);
  expect(await typesFor(hooks.all.id)).toEqual(events);
  expect(await typesFor(hooks.ends.id)).toEqual(['job.succeeded', 'job.cancelled']);
  expect(await typesFor(hooks.labelled.id)).toEqual(['job.cancelled']);
  expect(await typesFor(hooks.off.id)).toEqual([]);
});

it('sends the job and the run as they were when it happened', async () => {
  const { database } = scratch;
  await add({ events: ['job.running', 'run.succeeded', 'job.succeeded'] });
  const job = await addJob();
  await complete(database, job, STAGES);
  const claimed = await database.deliveries.claim(REQUEST);
  const payloads = claimed.map(({ body }) => WebhookPayload.parse(JSON.parse(body)));
  // Nothing is in them that the schema does not name.
  expect(payloads).toEqual(claimed.map(({ body }) => JSON.parse(body)));
  const of = (type: string) => payloads.find((payload) => payload.type === type);
  const events = await database.events.list(job.id, 0, 1000);
  expect(of('job.running')).toMatchObject({
    data: { job: { id: job.id, status: 'running', endedAt: null } },
  });
  const [run] = (await database.jobs.get(job.id))!.runs;
  expect(of('run.succeeded')).toMatchObject({ data: { run: await database.runs.get(run!.id) } });
  const ended = await database.jobs.get(job.id);
  expect(of('job.succeeded')).toEqual({
    ...{ type: 'job.succeeded', timestamp: events.at(-1)!.at },
    data: { event: events.at(-1), job: ended },
  });
});

it('keeps no delivery of an event that was rolled back', async () => {
  const { database } = scratch;
  const { id } = await add({ events: ['job.cancelled'] });
  const job = await addJob();
  const broken = database.transaction(async (tx) => {
    await database.jobs.cancel(job.id, tx);
    throw new Error('and back again');
  });
  await expect(broken).rejects.toThrow('and back again');
  expect(await typesFor(id)).toEqual([]);
  await database.jobs.cancel(job.id);
  expect(await typesFor(id)).toEqual(['job.cancelled']);
});

it('gives a delivery to one of those who claim at once, and a few of one webhook at a time', async () => {
  const { database } = scratch;
  const [busy, quiet] = [await add(), await add()];
  for (let count = 0; count < 12; count++) await database.webhooks.ping(busy.id);
  await database.webhooks.ping(quiet.id);
  const claimed = (
    await Promise.all(Array.from({ length: 6 }, () => database.deliveries.claim(REQUEST)))
  ).flat();
  expect(claimed).toHaveLength(13);
  expect(new Set(claimed.map(({ id }) => id)).size).toBe(13);
  await sql('UPDATE webhook_delivery SET lease_until = NULL');
  const few = await database.deliveries.claim({ ...REQUEST, perWebhook: 2 });
  expect(few.map(({ webhookId }) => webhookId).sort()).toEqual([busy.id, busy.id, quiet.id].sort());
  expect(await database.deliveries.claim({ ...REQUEST, perWebhook: 2 })).toEqual([]);
  await database.deliveries.note(few.map(outcome));
  expect(await database.deliveries.claim({ ...REQUEST, perWebhook: 2 })).toHaveLength(2);
  expect(await database.deliveries.claim({ ...REQUEST, perWebhook: 2, limit: 0 })).toEqual([]);
});

it('sends what was never noted again, under the same id, and lets only the newest attempt say how it ended', async () => {
  const { database } = scratch;
  const { id } = await add();
  await database.webhooks.ping(id);
  const [first] = await database.deliveries.claim(REQUEST);
  expect(await database.deliveries.claim(REQUEST)).toEqual([]);
  await sql(`UPDATE webhook_delivery SET lease_until = now() - interval '1 s'`);
  const [second] = await database.deliveries.claim(REQUEST);
  expect(second).toMatchObject({ id: first!.id, attempt: 2, failures: 0, body: first!.body });
  const log = () => database.webhooks.delivery(id, first!.id);
  expect((await log()).attempts.at(-1)).toMatchObject({
    number: 1,
    error: expect.stringContaining('ended before'),
  });
  await database.deliveries.note([outcome(first!)]);
  expect(await log()).toMatchObject({
    status: 'pending',
    attempts: [{ number: 2 }, { number: 1, status: 200 }],
  });
  await database.deliveries.note([outcome(second!)]);
  expect(await log()).toMatchObject({ status: 'delivered', nextAttemptAt: null });
});

it('tries again later, gives up, and sends again by hand', async () => {
  const { database } = scratch;
  const { id } = await add();
  const { id: deliveryId } = await database.webhooks.ping(id);
  const claim = async () => (await database.deliveries.claim(REQUEST))[0];
  await database.deliveries.note([failed((await claim())!, 3600)]);
  expect(await claim()).toBeUndefined();
  expect(await database.webhooks.delivery(id, deliveryId)).toMatchObject({
    ...{ status: 'pending', attempts: [{ number: 1, status: 500, error: 'It answered 500.', answer: 'ok' }] },
  });
  await database.webhooks.redeliver(id, deliveryId);
  await database.deliveries.note([failed((await claim())!, null)]);
  expect(await database.webhooks.deliveries(id, { limit: 1, status: 'failed' })).toMatchObject({
    ...{ items: [{ id: deliveryId, attempts: [{ number: 2 }, { number: 1 }] }], next: null },
  });
  await database.webhooks.redeliver(id, deliveryId);
  const third = (await claim())!;
  expect(third).toMatchObject({ id: deliveryId, attempt: 3, failures: 0 });
  await database.deliveries.note([outcome(third)]);
  expect(await database.webhooks.delivery(id, deliveryId)).toMatchObject({ status: 'delivered' });
});

it('switches a webhook off whose receiver is gone; what waits goes on when it is on again', async () => {
  const { database } = scratch;
  const { id } = await add();
  const { id: waiting } = await database.webhooks.ping(id);
  const [first] = await database.deliveries.claim(REQUEST);
  await database.webhooks.ping(id);
  await database.deliveries.note([{ ...failed(first!, null), disable: 'It answered 410.' }]);
  expect(await database.webhooks.get(id)).toMatchObject({
    enabled: false,
    disabledReason: 'It answered 410.',
  });
  expect(await database.deliveries.claim(REQUEST)).toEqual([]);
  for (const refused of [() => database.webhooks.ping(id), () => database.webhooks.redeliver(id, waiting)])
    await expect(refused()).rejects.toMatchObject({
      code: 'conflict',
      detail: expect.stringContaining('is off'),
    });
  await database.jobs.cancel((await addJob()).id);
  expect(await database.webhooks.update(id, { enabled: true })).toMatchObject({ disabledReason: null });
  expect(await database.deliveries.claim(REQUEST)).toHaveLength(1);
  expect(await typesFor(id)).toEqual(['webhook.ping', 'webhook.ping']);
});

it('signs with both secrets for a day after a new one was made', async () => {
  const { database } = scratch;
  const { id, secret } = await add();
  const renewed = await database.webhooks.renewSecret(id);
  expect(Date.parse(renewed.previousUntil) - Date.now()).toBeGreaterThan(23.9 * 3600_000);
  await database.webhooks.ping(id);
  expect((await database.deliveries.claim(REQUEST))[0]!.secrets).toEqual([renewed.secret, secret]);
  await sql(
    `UPDATE webhook SET previous_until = now() - interval '1 s'; UPDATE webhook_delivery SET lease_until = NULL`,
  );
  expect((await database.deliveries.claim(REQUEST))[0]!.secrets).toEqual([renewed.secret]);
  expect(await database.webhooks.get(id)).not.toHaveProperty('secret');
});

it('removes a webhook with its log while jobs go on, and refuses one too many', async () => {
  const { database } = scratch;
  const hooks = await Promise.all(Array.from({ length: 100 }, () => add()));
  await expect(add()).rejects.toThrow('There are 100 webhooks');
  const jobs = await Promise.all(Array.from({ length: 4 }, () => addJob()));
  await Promise.all([
    ...jobs.map(({ id }) => database.jobs.cancel(id)),
    ...hooks.map(({ id }) => database.webhooks.remove(id)),
  ]);
  for (const { id } of jobs) expect(await database.jobs.get(id)).toMatchObject({ status: 'cancelled' });
  expect((await database.webhooks.list({ limit: 10 })).items).toEqual([]);
  expect(await database.deliveries.claim(REQUEST)).toEqual([]);
  await expect(database.webhooks.get(hooks[0]!.id)).rejects.toMatchObject({ code: 'not-found' });
});

it('wakes those who send when there is something to send', async () => {
  const { database } = scratch;
  const { id } = await add();
  let wake: () => void = () => undefined;
  const woken = new Promise<void>((resolve) => {
    wake = resolve;
  });
  await database.deliveries.listen(() => wake());
  const job = await addJob();
  const claim = await claimOf(database, await stageOf(database, job, 'embed-0'));
  await database.stages.succeed(claim, resultOf('embed'));
  await database.jobs.cancel(job.id);
  await woken;
  expect(await typesFor(id)).toEqual(['job.cancelled']);
});
