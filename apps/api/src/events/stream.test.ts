import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startService, type TestService } from '../testing/service.js';
import { addReadyDataset, smallJob } from '../testing/work.js';
import { streamEvents } from './stream.js';
import { JobWatchers } from './watchers.js';

let service: TestService;
beforeAll(async () => {
  service = await startService();
  await addReadyDataset(service, 'digits');
});
afterAll(() => service.close());

/** A job that has come to its end with several hundred events. */
async function longJob(): Promise<string> {
  const { runs, ...job } = smallJob('digits');
  const many = Array.from({ length: 64 }, (_value, index) => ({ ...runs![0]!, name: `run ${index}` }));
  const { id } = await service.client.jobs.create({ ...job, runs: many });
  await service.client.jobs.cancel(id);
  return id;
}

it('reads from the database as fast as the client takes it, and no faster', async () => {
  const jobId = await longJob();
  const { database, app } = service;
  let pages = 0;
  const watchers = new JobWatchers(database, app.log);
  const stream = Readable.from(
    streamEvents({
      database: {
        whenAvailable: database.whenAvailable,
        events: {
          ...database.events,
          list: (...page) => {
            pages += 1;
            return database.events.list(...page);
          },
        },
      },
      ...{ jobId, after: 0, watcher: watchers.watch(jobId), signal: watchers.ended },
      isStillAllowed: async () => true,
    }),
  );
  const client = stream[Symbol.asyncIterator]();
  await client.next();
  await client.next();
  await sleep(200);
  expect(pages).toBe(1);
  let events = 1;
  for (let piece = await client.next(); !piece.done; piece = await client.next()) events += 1;
  expect(pages).toBeGreaterThan(3);
  expect(events).toBe((await database.events.list(jobId, 0, 10_000)).length);
  await watchers.stop();
});

it('ends when who reads is not let in any more', async () => {
  const { database, app } = service;
  const { id: jobId } = await service.client.jobs.create(smallJob('digits'));
  const watchers = new JobWatchers(database, app.log);
  let looks = 0;
  const stream = streamEvents({
    ...{ database, jobId, after: 0, watcher: watchers.watch(jobId), signal: watchers.ended, heartbeat: 10 },
    isStillAllowed: async () => ++looks < 3,
  });
  const pieces: string[] = [];
  for await (const piece of stream) pieces.push(piece);
  expect(looks).toBe(3);
  expect(pieces.join('')).toMatch(/event: job\n.*: still here/s);
  await service.client.jobs.cancel(jobId);
  await watchers.stop();
});

it('holds nothing for a job that nobody watches any more', async () => {
  const watchers = new JobWatchers(service.database, service.app.log);
  const [one, other] = [watchers.watch('job_1'), watchers.watch('job_1')];
  expect(watchers.watched).toBe(1);
  one.close();
  expect(watchers.watched).toBe(1);
  other.close();
  expect(watchers.watched).toBe(0);
});

it('tells a watcher once of news that came while it was busy', async () => {
  const watchers = new JobWatchers(service.database, service.app.log);
  await watchers.start();
  const { id } = await service.client.jobs.create(smallJob('digits'));
  const watcher = watchers.watch(id);
  const never = new AbortController().signal;
  expect(await watcher.news(0, never)).toBe(true);
  await service.client.jobs.cancel(id);
  expect(await watcher.news(5000, never)).toBe(true);
  watcher.tell();
  watcher.tell();
  expect(await watcher.news(0, never)).toBe(true);
  watcher.close();
  await watchers.stop();
});
