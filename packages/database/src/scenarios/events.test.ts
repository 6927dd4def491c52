import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { openDatabase } from '../database.js';
import { claimOf, complete, examplePlan, resultOf, stageOf } from '../testing/examples.js';
import { useScratch } from '../testing/scratch.js';

const scratch = useScratch();

/** Waits until `condition` holds; the test's own timeout ends a wait in vain. */
async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(10);
}

it('shows a reader no gap while twenty writers append at once', async () => {
  const { database } = scratch;
  const job = await database.jobs.create(await examplePlan(database, { shards: 20 }));
  const embeds = (await database.stages.listByJob(job.id)).filter((stage) => stage.kind === 'embed');
  let writing = true;
  const seen: number[] = [];
  const reader = (async () => {
    do {
      const events = await database.events.list(job.id, seen.at(-1) ?? 0, 1000);
      seen.push(...events.map((event) => event.sequence));
    } while (writing);
  })();
  await Promise.all(
    embeds.map(async (stage) => {
      const claim = await claimOf(database, stage);
      await database.stages.succeed(claim, resultOf('embed'));
    }),
  );
  writing = false;
  await reader;
  const all = (await database.events.list(job.id, 0, 1000)).map((event) => event.sequence);
  expect(all).toEqual(Array.from({ length: all.length }, (_, index) => index + 1));
  // job, run, 20 × (queued, running, succeeded), job and reduce
  expect(all).toHaveLength(2 + 20 * 3 + 2);
  expect(seen).toEqual(all.slice(0, seen.length));
});

it('tells the whole story of a job in order', async () => {
  const { database } = scratch;
  const job = await database.jobs.create(await examplePlan(database, { shards: 1 }));
  await complete(database, job, ['embed-0', 'reduce']);
  const claim = await claimOf(database, await stageOf(database, job, 'train-0'));
  await database.runs.saveCheckpoint(claim, { step: 50, digest: 'sha256:a', bytes: 1 });
  await database.runs.recordSwitch(claim, 80);
  await database.runs.recordSwitch(claim, 80);
  await database.stages.succeed(claim, resultOf('train'));
  await complete(database, job, ['evaluate-0']);
  const events = await database.events.list(job.id, 0, 1000);
  const story = events.map((event) => {
    if (event.type === 'stage') return `${event.kind} ${event.status}`;
    if (event.type === 'warning') return event.type;
    return event.type === 'job' || event.type === 'run'
      ? `${event.type} ${event.status}`
      : `${event.type} ${event.step}`;
  });
  expect(story).toEqual([
    ...['job queued', 'run queued', 'embed queued'],
    ...['job running', 'embed running', 'embed succeeded'],
    ...['reduce queued', 'reduce running', 'reduce succeeded'],
    ...['train queued', 'run running', 'train running', 'checkpoint 50', 'switch 80', 'train succeeded'],
    ...['evaluate queued', 'evaluate running', 'evaluate succeeded', 'run succeeded', 'job succeeded'],
  ]);
  expect((await database.events.list(job.id, 3, 2)).map((event) => event.sequence)).toEqual([4, 5]);
});

it('wakes every listener of jobs and of the outbox', async () => {
  const { database } = scratch;
  const other = await openDatabase(scratch.postgres.url);
  const [here, there] = [new Set<string | null>(), new Set<string | null>()];
  let wakes = 0;
  const handles = [
    await database.events.listen((jobId) => here.add(jobId)),
    await other.events.listen((jobId) => there.add(jobId)),
    await other.outbox.listen(() => wakes++),
  ];
  const job = await database.jobs.create(await examplePlan(database));
  await until(() => here.has(job.id) && there.has(job.id) && wakes > 0);
  await handles[0]?.close();
  here.clear();
  const next = await database.jobs.create(await examplePlan(database));
  await until(() => there.has(next.id));
  expect(here.size).toBe(0);
  await other.close();
});
