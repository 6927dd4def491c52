import { WebhookPayload } from '@rela/contracts';
import { RelaApiError } from '@rela/sdk';
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

const URL_OUTSIDE = 'https://example.com/hook';
const add = (more = {}) => service.client.webhooks.create({ url: URL_OUTSIDE, ...more });

async function refusal(work: Promise<unknown>) {
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(RelaApiError);
  return (error as RelaApiError).problem;
}

it('shows the secret of a webhook once, and the rest whenever it is asked for', async () => {
  const { client, url } = service;
  const { secret, ...webhook } = await add({ labels: { team: 'vision' }, description: 'chat' });
  expect(Buffer.from(secret.replace('whsec_', ''), 'base64')).toHaveLength(32);
  expect(webhook).toMatchObject({
    ...{
      url: URL_OUTSIDE,
      enabled: true,
      disabledReason: null,
      labels: { team: 'vision' },
      description: 'chat',
    },
    events: ['job.succeeded', 'job.failed', 'job.cancelled'],
  });
  expect(await client.webhooks.get(webhook.id)).toEqual(webhook);
  const listed = await (await fetch(`${url}/v1/webhooks`)).text();
  expect(listed).toContain(webhook.id);
  expect(listed).not.toContain('whsec_');
  const renewed = await client.webhooks.renewSecret(webhook.id);
  expect(renewed.secret).not.toBe(secret);
});

it('gives one webhook to a POST that is sent twice', async () => {
  const [first, second] = [
    await service.client.webhooks.create({ url: URL_OUTSIDE }, { idempotencyKey: 'hook' }),
    await service.client.webhooks.create({ url: URL_OUTSIDE }, { idempotencyKey: 'hook' }),
  ];
  expect(second).toEqual(first);
});

it('changes what is given, and removes', async () => {
  const { webhooks } = service.client;
  const { secret: _secret, ...webhook } = await add();
  const events: ['run.failed'] = ['run.failed'];
  expect(await webhooks.update(webhook.id, { enabled: false, events })).toEqual({
    ...webhook,
    enabled: false,
    events,
  });
  expect(await webhooks.update(webhook.id, { labels: { a: 'b' } })).toMatchObject({
    enabled: false,
    events,
    labels: { a: 'b' },
  });
  await webhooks.remove(webhook.id);
  const asks = [
    () => webhooks.get(webhook.id),
    () => webhooks.remove(webhook.id),
    () => webhooks.update(webhook.id, {}),
    () => webhooks.ping(webhook.id),
  ];
  for (const ask of asks)
    expect(await refusal(ask())).toMatchObject({
      code: 'not-found',
      detail: expect.stringContaining('/v1/webhooks lists'),
    });
});

it.each([
  'http://127.0.0.1:9000/',
  'http://169.254.169.254/latest/meta-data/',
  'http://[::1]/',
  'https://[::ffff:10.0.0.1]/',
  'http://2130706433/',
])('refuses the private address %s, when it is made and when it is changed', async (url) => {
  const problem = { status: 400, code: 'invalid-request', errors: [{ field: 'url' }] };
  const made = await refusal(add({ url }));
  expect(made).toMatchObject(problem);
  expect(made.detail).toContain('is an address of a private network');
  const { id } = await add();
  expect(await refusal(service.client.webhooks.update(id, { url }))).toMatchObject(problem);
});

it('refuses what is no address of the web, and a user in it', async () => {
  for (const url of ['ftp://example.com/', 'https://me:secret@example.com/', 'hook']) {
    const problem = await refusal(add({ url }));
    expect(problem).toMatchObject({ status: 400, errors: [{ field: 'url' }] });
    // It would be in the log too.
    expect(JSON.stringify(problem)).not.toContain('secret@');
  }
});

it('takes a private address where the service may call those', async () => {
  const inside = await startService({ PRIVATE_ADDRESSES: 'true' });
  try {
    expect(await inside.client.webhooks.create({ url: 'http://127.0.0.1:9/' })).toMatchObject({
      enabled: true,
    });
  } finally {
    await inside.close();
  }
});

it('keeps a log of what is sent, which is read by cursor, and sends again', async () => {
  const { client, database } = service;
  const { id } = await add();
  for (let count = 0; count < 3; count++) await client.webhooks.ping(id);
  const job = await client.jobs.create(smallJob('digits'));
  await client.jobs.cancel(job.id);
  const page = await client.webhooks.deliveries(id, { limit: 2 });
  expect(page.items.map(({ type, jobId, status }) => [type, jobId, status])).toEqual([
    ['job.cancelled', job.id, 'pending'],
    ['webhook.ping', null, 'pending'],
  ]);
  const all = await collect(client.webhooks.allDeliveries(id, { limit: 2 }));
  expect(all.map(({ type }) => type)).toEqual(['job.cancelled', ...Array(3).fill('webhook.ping')]);
  const { body } = await client.webhooks.delivery(id, page.items[0]!.id);
  expect(WebhookPayload.parse(JSON.parse(body))).toMatchObject({ data: { job: { id: job.id } } });

  const claimed = await database.deliveries.claim({ limit: 10, perWebhook: 10, leaseSeconds: 60 });
  const mine = claimed.find((delivery) => delivery.id === page.items[0]!.id)!;
  await database.deliveries.note([
    {
      ...{ id: mine.id, attempt: mine.attempt, status: 500, error: 'It answered 500.', milliseconds: 7 },
      ...{ answer: 'down', retrySeconds: null, counts: true, disable: null },
    },
  ]);
  const [failed, ...none] = await collect(client.webhooks.allDeliveries(id, { status: 'failed' }));
  expect(none).toEqual([]);
  expect(failed).toMatchObject({
    ...{ id: mine.id, nextAttemptAt: null },
    attempts: [{ number: 1, status: 500, error: 'It answered 500.', milliseconds: 7, answer: 'down' }],
  });
  expect(await client.webhooks.redeliver(id, mine.id)).toMatchObject({ id: mine.id, status: 'pending' });
  const other = await add();
  expect(await refusal(client.webhooks.redeliver(other.id, mine.id))).toMatchObject({ code: 'not-found' });
});

it('refuses a ping to a webhook that is off', async () => {
  const { id } = await add({ enabled: false });
  expect(await refusal(service.client.webhooks.ping(id))).toMatchObject({ status: 409, code: 'conflict' });
});
