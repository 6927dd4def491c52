/** Schedulers on both servers: they say when schedules are due, and are put right again. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { startPostgres } from '../testing/postgres.js';
import { findRedis, startRedis } from '../testing/redis.js';
import { startCluster, startWithUser } from '../testing/redis-kinds.js';
import { hasRedis7 } from '../testing/redis-process.js';
import type { TestServer } from '../testing/server.js';
import { Queue } from './backend.js';
import { consumeDue, openSchedulers, type Schedulers } from './index.js';
import { SCHEDULES } from './names.js';

const redis = await findRedis();
const hasServer = await hasRedis7();
const NO_SERVER = hasServer ? '' : ' (no redis-server 7 on the PATH)';
const kinds: { name: string; start: (() => Promise<TestServer>) | null }[] = [
  { name: 'PostgreSQL', start: startPostgres },
  {
    name: `Redis (${redis ?? 'none here: no REDIS_URL, no redis-server, no container engine'})`,
    start: redis && (() => startRedis(redis)),
  },
  { name: `Redis as the user of docs/queue.md${NO_SERVER}`, start: hasServer ? startWithUser : null },
  { name: `Redis as a cluster${NO_SERVER}`, start: hasServer ? () => startCluster() : null },
];

const PATIENCE = { timeout: 30_000, interval: 20 };
/** BullMQ takes a field for seconds, which the service does not offer: tests need not wait for a minute. */
const EACH_SECOND = { cron: '* * * * * *', timeZone: 'UTC' };
const EACH_YEAR = { cron: '@yearly', timeZone: 'Asia/Tokyo' };

describe.each(kinds)('schedulers on $name', ({ start }) => {
  if (!start) {
    it.skip('are tested where it is to be had');
    return;
  }
  let server: TestServer;
  let schedulers: Schedulers;
  const closers: (() => Promise<void>)[] = [];
  beforeAll(async () => {
    server = await start();
    schedulers = await openSchedulers(server.url);
  });
  afterEach(async () => {
    await Promise.all(closers.splice(0).map((close) => close()));
    await schedulers.keep([]);
  });
  afterAll(async () => {
    await schedulers?.close();
    await server?.stop();
  });

  async function hearing(onDue: (scheduleId: string) => Promise<void> = async () => undefined) {
    const heard: string[] = [];
    const errors: Error[] = [];
    const consumer = await consumeDue(server.url, {
      concurrency: 2,
      onDue: async (scheduleId) => {
        heard.push(scheduleId);
        await onDue(scheduleId);
      },
      onError: (error) => errors.push(error),
    });
    closers.push(() => consumer.close());
    const hears = (count: number, scheduleId: string) =>
      vi.waitFor(
        () => expect(heard.filter((id) => id === scheduleId).length).toBeGreaterThanOrEqual(count),
        PATIENCE,
      );
    return { heard, errors, hears };
  }

  it('say again and again that a schedule is due', async () => {
    await schedulers.keep([
      { scheduleId: 'sch_often', revision: 1, ...EACH_SECOND },
      { scheduleId: 'sch_rare', revision: 1, ...EACH_YEAR },
    ]);
    const { heard, hears } = await hearing();
    await hears(3, 'sch_often');
    expect(heard).not.toContain('sch_rare');
  });

  it('are made once, replaced when a schedule has changed, and removed when it is gone', async () => {
    const kept = { scheduleId: 'sch_kept', revision: 1, ...EACH_YEAR };
    const changed = { scheduleId: 'sch_changed', revision: 1, ...EACH_SECOND };
    expect(await schedulers.keep([kept, changed])).toEqual({ made: 2, removed: 0 });
    expect(await schedulers.keep([kept, changed])).toEqual({ made: 0, removed: 0 });
    const after = { ...changed, revision: 2, ...EACH_YEAR };
    expect(await schedulers.keep([kept, after])).toEqual({ made: 1, removed: 1 });
    expect(await schedulers.keep([kept])).toEqual({ made: 0, removed: 1 });
    expect(await schedulers.keep([kept])).toEqual({ made: 0, removed: 0 });
    const { heard, hears } = await hearing();
    await schedulers.keep([kept, { scheduleId: 'sch_other', revision: 1, ...EACH_SECOND }]);
    await hears(2, 'sch_other');
    expect(heard).not.toContain('sch_changed');
  });

  it('are made again after a flush, and then go on', async () => {
    const often = { scheduleId: 'sch_flushed', revision: 1, ...EACH_SECOND };
    await schedulers.keep([often]);
    const { heard, hears } = await hearing();
    await hears(1, 'sch_flushed');
    await server.flush();
    // What was under way as it came may still make its next message: only then is the queue as it will be.
    await sleep(1500);
    const before = heard.length;
    await schedulers.keep([often]);
    await hears(before + 2, 'sch_flushed');
  });

  it('go on after work that failed, which is reported', async () => {
    await schedulers.keep([{ scheduleId: 'sch_failing', revision: 1, ...EACH_SECOND }]);
    const { errors, hears } = await hearing(async () => {
      throw new Error('no such data set');
    });
    await hears(2, 'sch_failing');
    expect(errors.map(({ message }) => message)).toContain('no such data set');
  });

  it('report and drop a message that ReLA did not send', async () => {
    const closing = new AbortController().signal;
    const stranger = new Queue(SCHEDULES, { connection: { url: server.url, use: 'send', closing } });
    stranger.on('error', () => undefined);
    closers.push(() => stranger.close());
    const { heard, errors } = await hearing();
    await stranger.add('due', { scheduleId: 5 }, { jobId: 'stranger' });
    await vi.waitFor(() => expect(errors[0]?.message).toContain('stranger'), PATIENCE);
    expect(heard).toEqual([]);
  });
});
