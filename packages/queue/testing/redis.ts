/** A Redis for the tests: REDIS_URL, else redis-server on the PATH, else a container. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { env } from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Redis } from 'ioredis';
import { GenericContainer, getContainerRuntimeClient } from 'testcontainers';
import { freePort, type TestServer } from './server.js';

const run = promisify(execFile);
/** Time that the server stays away when it is interrupted. */
const AWAY_MS = 1500;

export type RedisSource = 'REDIS_URL' | 'redis-server' | 'testcontainers';

/** Where a Redis is to be had here; null: nowhere. */
export async function findRedis(): Promise<RedisSource | null> {
  if (env.REDIS_URL) return 'REDIS_URL';
  const answers = (work: Promise<unknown>) =>
    work.then(
      () => true,
      () => false,
    );
  if (await answers(run('redis-server', ['--version']))) return 'redis-server';
  return (await answers(getContainerRuntimeClient())) ? 'testcontainers' : null;
}

async function ask<T>(url: string, work: (client: Redis) => Promise<T>): Promise<T> {
  const client = new Redis(url, { maxRetriesPerRequest: 0, retryStrategy: () => null });
  client.on('error', () => undefined);
  return work(client).finally(() => client.disconnect());
}

const flush = (url: string) =>
  ask(url, async (client) => {
    const keys = await client.keys('bull:rela-*');
    if (keys.length > 0) await client.del(...keys);
  });

const cutConnections = (url: string) =>
  ask(url, async (client) => {
    for (const type of ['NORMAL', 'PUBSUB'])
      await client.call('CLIENT', 'KILL', 'TYPE', type, 'SKIPME', 'yes');
  });

async function startOwn(): Promise<TestServer> {
  const folder = await mkdtemp(join(tmpdir(), 'rela-queue-redis-'));
  const port = await freePort();
  const url = `redis://127.0.0.1:${port}`;
  const start = async (): Promise<ChildProcess> => {
    const server = spawn(
      'redis-server',
      ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--appendonly', 'yes'],
      { stdio: 'ignore' },
    );
    for (;;) {
      try {
        await ask(url, (client) => client.ping());
        return server;
      } catch (error) {
        if (server.exitCode !== null) throw error;
        await sleep(100);
      }
    }
  };
  const end = async (server: ChildProcess) => {
    const gone = new Promise((resolve) => server.once('exit', resolve));
    server.kill('SIGTERM');
    await gone;
  };
  let server = await start();
  return {
    url,
    async interrupt() {
      await end(server);
      await sleep(AWAY_MS);
      server = await start();
    },
    flush: () => flush(url),
    async stop() {
      await end(server);
      await rm(folder, { recursive: true });
    },
  };
}

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
    case 'redis-server':
      return startOwn();
    case 'testcontainers': {
      const container = await new GenericContainer('redis:7.4-alpine').withExposedPorts(6379).start();
      const url = `redis://${container.getHost()}:${container.getMappedPort(6379)}`;
      return borrowed(url, async () => void (await container.stop()));
    }
  }
}
