/** The whole way with Redis as the queue, which carries messages and holds no truth. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { findRedis, startRedis } from '../../packages/queue/testing/redis.js';
import type { TestServer } from '../../packages/queue/testing/server.js';
import { addRandomPrior, addShapes, shortRun, startService, type TestService } from '../service.js';

const source = await findRedis();
const name = source ? '' : ' (no REDIS_URL, no redis-server and no container engine here)';

let redis: TestServer | undefined;
let service: TestService | undefined;
beforeAll(async () => {
  if (!source) return;
  redis = await startRedis(source);
  service = await startService({ QUEUE_URL: redis.url });
  await addShapes(service, 'shapes');
  await addRandomPrior(service, 'random');
});
afterAll(async () => {
  await service?.close();
  await redis?.stop();
});

const job = (seed: number) => ({
  dataset: 'shapes',
  prior: 'random',
  runs: [shortRun('accelerated', { rela: {}, dataRatio: 0.5, seed }), shortRun('control', { seed })],
});

it.skipIf(!source)(`a job is done over Redis as over the database${name}`, async () => {
  const { client } = service!;
  const { id } = await client.jobs.create(job(1));
  const ended = await client.jobs.wait(id);
  expect(ended.error).toBeNull();
  expect(ended.runs.map(({ status }) => status)).toEqual(['succeeded', 'succeeded']);
});

it.skipIf(!source)(`a job whose messages are all lost is done all the same${name}`, async () => {
  const { client } = service!;
  const created = await client.jobs.create(job(2));
  await redis!.flush();
  const ended = await client.jobs.wait(created.id);
  expect(ended.error).toBeNull();
  expect(ended.status).toBe('succeeded');
});
