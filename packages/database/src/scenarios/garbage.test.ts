import { WebhookCreate } from '@rela/contracts';
import { expect, it } from 'vitest';
import { claimOf, complete, digestOf, examplePlan, resultOf, stageOf } from '../testing/examples.js';
import { useScratch } from '../testing/scratch.js';

const scratch = useScratch();
const DAY = 24 * 3600;

it('knows every artifact that a row names, in plans, results and checkpoints', async () => {
  const { database } = scratch;
  const job = await database.jobs.create(await examplePlan(database));
  await complete(database, job, ['embed-0', 'embed-1', 'reduce']);
  const claim = await claimOf(database, await stageOf(database, job, 'train-0'));
  await database.runs.saveCheckpoint(claim, { step: 1, digest: digestOf('checkpoint'), bytes: 1 });
  const { garbage } = database;
  const collection = await garbage.collect();
  const named = ['embeddings', 'statistics', 'targets', 'checkpoint', 'shard 0', 'manifest'].map(digestOf);
  const strange = digestOf('nobody knows it');
  expect(await garbage.unnamed(collection, [...named, strange])).toEqual([strange]);
  await garbage.addNamed(collection, [strange]);
  expect(await garbage.unnamed(collection, [strange])).toEqual([]);
});

it('says nothing any more of a collection after which another one was made', async () => {
  const { garbage } = scratch.database;
  const first = await garbage.collect();
  const second = await garbage.collect();
  await expect(garbage.unnamed(first, [digestOf('any')])).rejects.toThrow('has ended before the sweep');
  await expect(garbage.addNamed(first, [digestOf('any')])).rejects.toThrow('has ended before the sweep');
  expect(await garbage.unnamed(second, [digestOf('any')])).toEqual([digestOf('any')]);
});

it('lets one process sweep at a time', async () => {
  const { garbage } = scratch.database;
  const inside = await garbage.alone(async () => garbage.alone(async () => 'second'));
  expect(inside).toBeNull();
  expect(await garbage.alone(async () => 'next')).toBe('next');
});

it('forgets results that no job takes any more, and keeps one that was taken again', async () => {
  const { database } = scratch;
  const options = { reuse: true, salt: 'kept', shards: 1 };
  const first = await database.jobs.create(await examplePlan(database, options));
  await complete(database, first, ['embed-0', 'reduce']);
  await database.garbage.forget({ resultSeconds: DAY, jobSeconds: null, deliverySeconds: DAY });
  const second = await database.jobs.create(await examplePlan(database, options));
  const claim = await claimOf(database, await stageOf(database, second, 'embed-0'));
  expect(claim.existing).toEqual(resultOf('embed'));
  // What was taken a moment ago is younger than what was not.
  const { results } = await database.garbage.forget({
    resultSeconds: 0,
    jobSeconds: null,
    deliverySeconds: DAY,
  });
  expect(results).toBeGreaterThan(0);
  const third = await database.jobs.create(await examplePlan(database, options));
  expect((await claimOf(database, await stageOf(database, third, 'embed-0'))).existing).toBeNull();
});

it('forgets jobs that ended long ago, and what only they named', async () => {
  const { database } = scratch;
  const plan = { shards: 1 };
  const old = await database.jobs.create(await examplePlan(database, plan));
  await complete(database, old, ['embed-0', 'reduce', 'train-0', 'evaluate-0']);
  const open = await database.jobs.create(await examplePlan(database, plan));
  expect(
    (await database.garbage.forget({ resultSeconds: DAY, jobSeconds: DAY, deliverySeconds: DAY })).jobs,
  ).toBe(0);
  expect(
    (await database.garbage.forget({ resultSeconds: 0, jobSeconds: 0, deliverySeconds: DAY })).jobs,
  ).toBe(1);
  expect(await database.jobs.get(old.id)).toBeNull();
  expect(await database.jobs.get(open.id)).toMatchObject({ status: 'queued' });
  const collection = await database.garbage.collect();
  const { model } = resultOf('train');
  expect(await database.garbage.unnamed(collection, [model])).toEqual([model]);
  await database.garbage.forgetArtifact(model);
  expect(await database.models.get(model)).toBeNull();
});

it('keeps what a tenant has for as long as its own limits say, and what the others have as the service says', async () => {
  const { database } = scratch;
  const idOf = async (name: string, limits: object) => {
    const { id } = await database.tenants.create(name);
    await database.tenants.limit(id, limits);
    return id;
  };
  const [short, long, usual] = [
    database.of(await idOf('short', { retainJobsDays: 0, retainResultsDays: 0 })),
    database.of(await idOf('long', { retainJobsDays: 9, retainResultsDays: 9 })),
    database.of(await idOf('usual', {})),
  ];
  const jobs: string[] = [];
  for (const tenant of [short, long, usual]) {
    const job = await tenant.jobs.create(await examplePlan(tenant, { reuse: true, salt: 'kept', shards: 1 }));
    await complete(database, job, ['embed-0', 'reduce', 'train-0', 'evaluate-0']);
    jobs.push(job.id);
  }
  const kept = async () =>
    (await Promise.all(jobs.map((id) => database.jobs.get(id)))).map((job) => job !== null);
  await database.garbage.forget({ resultSeconds: DAY, jobSeconds: null, deliverySeconds: DAY });
  expect(await kept()).toEqual([false, true, true]);
  await database.garbage.forget({ resultSeconds: 0, jobSeconds: 0, deliverySeconds: DAY });
  expect(await kept()).toEqual([false, true, false]);
  for (const [tenant, isThere] of [
    [short, false],
    [long, true],
    [usual, false],
  ] as const) {
    const again = await tenant.jobs.create(
      await examplePlan(tenant, { reuse: true, salt: 'kept', shards: 1 }),
    );
    const { existing } = await claimOf(database, await stageOf(database, again, 'embed-0'));
    expect(existing !== null).toBe(isThere);
  }
});

it('forgets deliveries that ended long ago, or that nobody could be sent for long, and keeps those under way', async () => {
  const { database } = scratch;
  const { id } = await database.webhooks.create(WebhookCreate.parse({ url: 'https://example.com/' }));
  await database.webhooks.ping(id);
  await database.webhooks.ping(id);
  const [first, second] = await database.deliveries.claim({ limit: 2, perWebhook: 2, leaseSeconds: 60 });
  const outcome = { status: 200, error: null, milliseconds: 1, answer: '', counts: true, disable: null };
  await database.deliveries.note([
    { ...outcome, id: first!.id, attempt: 1, retrySeconds: null },
    { ...outcome, id: second!.id, attempt: 1, error: 'It answered 500.', retrySeconds: 3600 },
  ]);
  const retention = { resultSeconds: DAY, jobSeconds: null };
  expect(await database.garbage.forget({ ...retention, deliverySeconds: DAY })).toMatchObject({
    deliveries: 0,
  });
  expect(await database.garbage.forget({ ...retention, deliverySeconds: 0 })).toMatchObject({
    deliveries: 1,
  });
  const kept = await database.webhooks.deliveries(id, { limit: 10 });
  expect(kept.items.map((delivery) => delivery.id)).toEqual([second!.id]);
  // Due an hour ago, in an hour from now: nothing has sent it since.
  expect(await database.garbage.forget({ ...retention, deliverySeconds: -7200 })).toMatchObject({
    deliveries: 1,
  });
});
