import pg from 'pg';
import { expect, it } from 'vitest';
import { useScratch } from '../testing/scratch.js';

const scratch = useScratch();
const request = (key: string, requestDigest = 'sha256:a') => ({ key, route: 'POST /v1/jobs', requestDigest });

/** Lets time pass for a key, as no test can wait for a day. */
async function age(key: string, seconds: number): Promise<void> {
  const client = new pg.Client({ connectionString: scratch.postgres.url });
  await client.connect();
  await client.query(
    `UPDATE idempotency_key SET started_at = started_at - make_interval(secs => $2),
       created_at = created_at - make_interval(secs => $2) WHERE key = $1`,
    [key, seconds],
  );
  await client.end();
}

it('lets one of twenty equal requests go ahead', async () => {
  const { idempotency } = scratch.database;
  const states = await Promise.all(Array.from({ length: 20 }, () => idempotency.begin(request('twenty'))));
  expect(states.filter(({ state }) => state === 'new')).toHaveLength(1);
  expect(states.filter(({ state }) => state === 'in-progress')).toHaveLength(19);
});

it('answers a repeated request with the first answer, and another request with a mismatch', async () => {
  const { idempotency } = scratch.database;
  await idempotency.begin(request('done'));
  const response = { status: 202, headers: { location: '/v1/jobs/1' }, body: { id: 'job_1' } };
  await idempotency.finish('done', response);
  expect(await idempotency.begin(request('done'))).toEqual({ state: 'done', ...response });
  expect(await idempotency.begin(request('done', 'sha256:b'))).toEqual({ state: 'mismatch' });
  expect(await idempotency.begin({ ...request('done'), route: 'POST /v1/priors' })).toEqual({
    state: 'mismatch',
  });
});

it('frees an abandoned key, and never one that is done', async () => {
  const { idempotency } = scratch.database;
  await idempotency.begin(request('free'));
  await idempotency.abandon('free');
  expect(await idempotency.begin(request('free'))).toEqual({ state: 'new' });
  await idempotency.finish('free', { status: 204, headers: {}, body: null });
  await idempotency.abandon('free');
  expect(await idempotency.begin(request('free'))).toMatchObject({ state: 'done', body: null });
});

it('lets one take over what a crashed process left in progress a minute ago', async () => {
  const { idempotency } = scratch.database;
  await idempotency.begin(request('crashed'));
  await age('crashed', 30);
  expect(await idempotency.begin(request('crashed'))).toEqual({ state: 'in-progress' });
  await age('crashed', 31);
  expect(await idempotency.begin(request('crashed', 'sha256:b'))).toEqual({ state: 'mismatch' });
  expect(await idempotency.begin(request('crashed'))).toEqual({ state: 'new' });
  expect(await idempotency.begin(request('crashed'))).toEqual({ state: 'in-progress' });
});

it('forgets a key after a day', async () => {
  const { idempotency } = scratch.database;
  await idempotency.begin(request('old'));
  await idempotency.finish('old', { status: 200, headers: {}, body: 1 });
  await age('old', 24 * 3600 + 1);
  expect(await idempotency.begin(request('old', 'sha256:b'))).toEqual({ state: 'new' });
});
