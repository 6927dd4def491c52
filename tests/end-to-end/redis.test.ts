/** The whole way with Redis as the queue, which carries messages and holds no truth. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findRedis, startRedis } from '../../packages/queue/testing/redis.js';
import { startUnderSentinel } from '../../packages/queue/testing/redis-kinds.js';
import { hasRedis7 } from '../../packages/queue/testing/redis-process.js';
import type { TestServer } from '../../packages/queue/testing/server.js';
import { addRandomPrior, addShapes, shortRun, startService, type TestService } from '../service.js';

const source = await findRedis();
const hasServer = await hasRedis7();

const kinds = [
  {
    name: source ? 'Redis' : 'Redis (no REDIS_URL, no redis-server and no container engine here)',
    start: source && (() => startRedis(source)),
    loss: 'a flush',
    lose: (server: TestServer) => server.flush(),
  },
  {
    name: hasServer ? 'Redis under Sentinel' : 'Redis under Sentinel (no redis-server 7 on the PATH)',
    start: hasServer && (() => startUnderSentinel()),
    loss: 'a fail-over to a replica that has nothing',
    async lose(server: TestServer) {
      await server.interrupt();
      await server.flush();
    },
  },
];

const job = (seed: number) => ({
  dataset: 'shapes',
  prior: 'random',
  runs: [shortRun('accelerated', { rela: {}, dataRatio: 0.5, seed }), shortRun('control', { seed })],
});

describe.each(kinds)('over $name', ({ start, loss, lose }) => {
  if (!start) {
    it.skip('a job is done where there is one');
    return;
  }
  let redis: TestServer | undefined;
  let service: TestService | undefined;
  beforeAll(async () => {
    redis = await start();
    service = await startService({ QUEUE_URL: redis.url });
    await addShapes(service, 'shapes');
    await addRandomPrior(service, 'random');
  });
  afterAll(async () => {
    await service?.close();
    await redis?.stop();
  });

  it('a job is done as over the database', async () => {
    const { client } = service!;
    const { id } = await client.jobs.create(job(1));
    const ended = await client.jobs.wait(id);
    expect(ended.error).toBeNull();
    expect(ended.runs.map(({ status }) => status)).toEqual(['succeeded', 'succeeded']);
  });

  it(`a job whose messages are all lost, by ${loss}, is done all the same`, async () => {
    const { client } = service!;
    const created = await client.jobs.create(job(2));
    await lose(redis!);
    const ended = await client.jobs.wait(created.id);
    expect(ended.error).toBeNull();
    expect(ended.status).toBe('succeeded');
  });
});
