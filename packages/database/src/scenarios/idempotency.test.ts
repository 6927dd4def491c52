import pg from 'pg';
import { expect, it } from 'vitest';
import type { HeldKey, StoredResponse } from '../repositories/idempotency.js';
import { examplePlan } from '../testing/examples.js';
import { useScratch } from '../testing/scratch.js';

const scratch = useScratch();
const request = (key: string, requestDigest = 'sha256:a') => ({ key, route: 'POST /v1/jobs', requestDigest });

/** Takes a key that nobody has. */
async function hold(key: string) {
  const begun = await scratch.database.idempotency.begin(request(key));
  if (begun.state !== 'new') throw new Error(`the key ${key} is ${begun.state}`);
  return begun.held;
}

function finish(held: HeldKey, response: StoredResponse) {
  const { idempotency, transaction } = scratch.database;
  return transaction((tx) => idempotency.finish(held, response, tx));
}

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
  const held = await hold('done');
  const response = { status: 202, headers: { location: '/v1/jobs/1' }, body: { id: 'job_1' } };
  await finish(held, response);
  expect(await idempotency.begin(request('done'))).toEqual({ state: 'done', ...response });
  expect(await idempotency.begin(request('done', 'sha256:b'))).toEqual({ state: 'mismatch' });
  expect(await idempotency.begin({ ...request('done'), route: 'POST /v1/priors' })).toEqual({
    state: 'mismatch',
  });
});

it('frees an abandoned key, and never one that is done', async () => {
  const { idempotency } = scratch.database;
  await idempotency.abandon(await hold('free'));
  const held = await hold('free');
  await finish(held, { status: 204, headers: {}, body: null });
  await idempotency.abandon(held);
  expect(await idempotency.begin(request('free'))).toMatchObject({ state: 'done', body: null });
});

it('lets one take over what a crashed process left in progress a minute ago', async () => {
  const { idempotency } = scratch.database;
  await idempotency.begin(request('crashed'));
  await age('crashed', 30);
  expect(await idempotency.begin(request('crashed'))).toEqual({ state: 'in-progress' });
  await age('crashed', 31);
  expect(await idempotency.begin(request('crashed', 'sha256:b'))).toEqual({ state: 'mismatch' });
  expect(await idempotency.begin(request('crashed'))).toMatchObject({ state: 'new' });
  expect(await idempotency.begin(request('crashed'))).toEqual({ state: 'in-progress' });
});

it('keeps neither the answer nor what was made where the transaction of both does not commit', async () => {
  const { database } = scratch;
  const held = await hold('died');
  const plan = await examplePlan(database);
  let id = '';
  const dying = database.transaction(async (tx) => {
    ({ id } = await database.jobs.create(plan, tx));
    await database.idempotency.finish(held, { status: 202, headers: {}, body: { id } }, tx);
    throw new Error('the process dies here');
  });
  await expect(dying).rejects.toThrow('dies here');
  expect(await database.jobs.get(id)).toBeNull();
  await age('died', 61);
  expect(await database.idempotency.begin(request('died'))).toMatchObject({ state: 'new' });
});

it('lets a request that was taken over make nothing, and free nothing', async () => {
  const { database } = scratch;
  const slow = await hold('slow');
  await age('slow', 61);
  const next = await hold('slow');
  const plan = await examplePlan(database);
  let id = '';
  const late = database.transaction(async (tx) => {
    ({ id } = await database.jobs.create(plan, tx));
    await database.idempotency.finish(slow, { status: 202, headers: {}, body: { id } }, tx);
  });
  await expect(late).rejects.toMatchObject({ code: 'idempotency-in-progress' });
  expect(await database.jobs.get(id)).toBeNull();
  await database.idempotency.abandon(slow);
  await finish(next, { status: 202, headers: {}, body: { id: 'job_2' } });
  expect(await database.idempotency.begin(request('slow'))).toMatchObject({ body: { id: 'job_2' } });
});

it('forgets a key after a day', async () => {
  const { idempotency } = scratch.database;
  await finish(await hold('old'), { status: 200, headers: {}, body: 1 });
  await age('old', 24 * 3600 + 1);
  expect(await idempotency.begin(request('old', 'sha256:b'))).toMatchObject({ state: 'new' });
});
