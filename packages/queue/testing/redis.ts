/** A Redis for the tests: REDIS_URL, else redis-server on the PATH, else a container. */
import { env } from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { GenericContainer, getContainerRuntimeClient } from 'testcontainers';
import { askRedis, hasProgram, type RedisProcess, startRedisProcess } from './redis-process.js';
import type { TestServer } from './server.js';

/** Time that the server stays away when it is interrupted. */
const AWAY_MS = 1500;

export type RedisSource = 'REDIS_URL' | 'redis-server' | 'testcontainers';

/** Where a Redis is to be had here; null: nowhere. */
export async function findRedis(): Promise<RedisSource | null> {
  if (env.REDIS_URL) return 'REDIS_URL';
  if (await hasProgram('redis-server')) return 'redis-server';
  const hasEngine = await getContainerRuntimeClient().then(
    () => true,
    () => false,
  );
  return hasEngine ? 'testcontainers' : null;
}

/** The queue's tests on processes of ours, which are all ended, started and removed together. */
export function ownServer(url: string, processes: RedisProcess[]): TestServer {
  const each = (work: (server: RedisProcess) => Promise<unknown>) => Promise.all(processes.map(work));
  return {
    url,
    async interrupt() {
      await each((server) => server.end());
      await sleep(AWAY_MS);
      await each((server) => server.start());
    },
    flush: async () => void (await each((server) => server.ask((client) => client.flushall()))),
    stop: async () => void (await each((server) => server.remove())),
  };
}

const flush = (url: string) =>
  askRedis(url, async (client) => {
    const keys = await client.keys('{rela}:*');
    if (keys.length > 0) await client.del(...keys);
  });

const cutConnections = (url: string) =>
  askRedis(url, async (client) => {
    for (const type of ['NORMAL', 'PUBSUB'])
      await client.call('CLIENT', 'KILL', 'TYPE', type, 'SKIPME', 'yes');
  });

const borrowed = (url: string, stop: () => Promise<void>): TestServer => ({
  url,
  interrupt: () => cutConnections(url),
  flush: () => flush(url),
  stop,
});

export async function startRedis(source: RedisSource): Promise<TestServer> {
  switch (source) {
    case 'REDIS_URL': {
      const url = env.REDIS_URL as string;
      await flush(url);
      return borrowed(url, () => flush(url));
    }
    case 'redis-server': {
      const server = await startRedisProcess();
      return ownServer(`redis://127.0.0.1:${server.port}`, [server]);
    }
    case 'testcontainers': {
      const container = await new GenericContainer('redis:7.4-alpine').withExposedPorts(6379).start();
      const url = `redis://${container.getHost()}:${container.getMappedPort(6379)}`;
      return borrowed(url, async () => void (await container.stop()));
    }
  }
}
