import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { openDatabase } from '../database.js';
import { startEmbeddedPostgres } from '../embedded/start.js';
import { DatabaseUnavailable } from '../errors.js';
import { claimOf, examplePlan, resultOf, stageOf } from '../testing/examples.js';
import { useScratch } from '../testing/scratch.js';

const scratch = useScratch();

it('says that the database is away, waits for it where asked, and goes on when it is back', async () => {
  const { database, folder } = scratch;
  const job = await database.jobs.create(await examplePlan(database));
  const claim = await claimOf(database, await stageOf(database, job, 'embed-0'));
  const notified: (string | null)[] = [];
  await database.events.listen((jobId) => notified.push(jobId));
  const inside = database.transaction(async (tx) => {
    await tx.$queryRaw`SELECT 1 AS one`;
    await scratch.postgres.stop();
    await tx.$queryRaw`SELECT 1 AS one`;
  });
  await expect(inside).rejects.toBeInstanceOf(DatabaseUnavailable);
  await expect(database.ping()).rejects.toMatchObject({ code: 'unavailable' });
  await expect(database.jobs.get(job.id)).rejects.toBeInstanceOf(DatabaseUnavailable);
  await expect(database.runs.appendMetrics(claim, [])).resolves.toBe(true);
  await expect(openDatabase(scratch.postgres.url)).rejects.toBeInstanceOf(DatabaseUnavailable);

  const waiting = database.whenAvailable(() => database.stages.succeed(claim, resultOf('embed')));
  const aborted = AbortSignal.timeout(50);
  await expect(database.whenAvailable(() => database.ping(), { signal: aborted })).rejects.toThrow(/timeout/);

  scratch.postgres = await startEmbeddedPostgres({ folder });
  expect(await waiting).toBe(true);
  expect((await database.stages.get(claim.stageId))?.status).toBe('succeeded');

  // The listener is told that it may have missed something, and hears what comes next.
  while (!notified.includes(null)) await sleep(10);
  const next = await database.jobs.create(await examplePlan(database));
  while (!notified.includes(next.id)) await sleep(10);
});

it('does not take a mistake for a database that is away', async () => {
  const { database } = scratch;
  const failing = database.whenAvailable(() =>
    database.transaction(async (tx) => {
      await tx.$queryRaw`SELECT nothing_like_this`;
    }),
  );
  await expect(failing).rejects.not.toBeInstanceOf(DatabaseUnavailable);
});
