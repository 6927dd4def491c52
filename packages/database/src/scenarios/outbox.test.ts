import pg from 'pg';
import { expect, it } from 'vitest';
import { openDatabase } from '../database.js';
import { claimOf, examplePlan, resultOf, stageOf } from '../testing/examples.js';
import { useScratch } from '../testing/scratch.js';

const scratch = useScratch();

it('gives a message again until somebody has marked it as sent, also to the next relay', async () => {
  const { database } = scratch;
  const job = await database.jobs.create(await examplePlan(database));
  const stage = await stageOf(database, job, 'embed-0');
  const mine = (messages: { stageId: string; id: string }[]) =>
    messages.filter(({ stageId }) => stageId === stage.id).map(({ id }) => id);
  // A relay takes the message and dies before it has marked it.
  const crashed = await openDatabase(scratch.postgres.url);
  const taken = mine(await crashed.outbox.take(1000));
  await crashed.close();
  expect(taken).toHaveLength(1);
  expect(await database.outbox.unsentSince()).not.toBeNull();
  expect(mine(await database.outbox.take(1000))).toEqual(taken);
  await database.outbox.markSent(taken);
  expect(mine(await database.outbox.take(1000))).toEqual([]);
});

it('names the messages that were sent long ago and never claimed', async () => {
  const { database } = scratch;
  const job = await database.jobs.create(await examplePlan(database));
  const all = await database.outbox.take(1000);
  const sent = (await database.outbox.stale({ olderThanSeconds: -1 })).map(({ id }) => id);
  expect(all.filter(({ id }) => sent.includes(id))).toEqual([]);
  await database.outbox.markSent(all.map(({ id }) => id));
  expect(await database.outbox.unsentSince()).toBeNull();
  expect(await database.outbox.stale({ olderThanSeconds: 60 })).toEqual([]);
  const stages = [await stageOf(database, job, 'embed-0'), await stageOf(database, job, 'embed-1')];
  await claimOf(database, stages[0]!);
  const stale = await database.outbox.stale({ olderThanSeconds: -1 });
  expect(stale.map(({ stageId }) => stageId)).toContain(stages[1]!.id);
  expect(stale.map(({ stageId }) => stageId)).not.toContain(stages[0]!.id);
});

it('holds one message a queued stage and none for any other', async () => {
  const { database } = scratch;
  const job = await database.jobs.create(await examplePlan(database));
  const claim = await claimOf(database, await stageOf(database, job, 'embed-0'));
  await database.stages.release(claim);
  const again = await claimOf(database, await stageOf(database, job, 'embed-0'));
  await database.stages.succeed(again, resultOf('embed'));
  const ids = (await database.outbox.take(1000)).map(({ stageId }) => stageId);
  expect(ids).not.toContain(claim.stageId);
  expect(ids.filter((id) => id === ids.at(-1))).toHaveLength(1);
});

it('does not wait for a message that is being claimed to mark those that were sent with it', async () => {
  const { database, postgres } = scratch;
  await database.jobs.create(await examplePlan(database));
  const [claimed, ...others] = await database.outbox.take(1000);
  const worker = new pg.Client(postgres.url);
  await worker.connect();
  try {
    await worker.query('BEGIN');
    await worker.query('DELETE FROM outbox WHERE id = $1', [claimed!.id]);
    await database.outbox.markSent([claimed!, ...others].map(({ id }) => id));
    expect((await database.outbox.take(1000)).map(({ id }) => id)).toEqual([claimed!.id]);
    // Whose claim fails is sent again.
    await worker.query('ROLLBACK');
    expect((await database.outbox.take(1000)).map(({ id }) => id)).toEqual([claimed!.id]);
  } finally {
    await worker.end();
  }
});
