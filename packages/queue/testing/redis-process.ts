/** A redis-server of the tests' own, also as a sentinel: a process, its folder and its port. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Redis, type RedisOptions } from 'ioredis';
import { freePort } from './server.js';

const run = promisify(execFile);

/** Who may everything, whatever is set for others. */
const ADMIN = { username: 'admin', password: 'admin' };

export interface RedisProcess {
  port: number;
  start(): Promise<void>;
  /** Returns when the process is gone. */
  end(signal?: 'SIGTERM' | 'SIGKILL'): Promise<void>;
  /** Neither answers nor closes anything, until it is thawed. */
  freeze(): void;
  thaw(): void;
  /** Asks it as its administrator. */
  ask<T>(work: (client: Redis) => Promise<T>): Promise<T>;
  /** Ends it and removes its folder. */
  remove(): Promise<void>;
}

export const hasProgram = (name: string, flag = '--version') =>
  run(name, [flag]).then(
    () => true,
    () => false,
  );

/** Whether a redis-server of 7.0 or newer is on the PATH: what the tests set up has no older form. */
export const hasRedis7 = () =>
  run('redis-server', ['--version']).then(
    ({ stdout }) => Number(stdout.match(/v=(\d+)/)?.[1]) >= 7,
    () => false,
  );

export async function askRedis<T>(
  server: string | RedisOptions,
  work: (client: Redis) => Promise<T>,
): Promise<T> {
  const once = { maxRetriesPerRequest: 0, retryStrategy: () => null };
  const client = typeof server === 'string' ? new Redis(server, once) : new Redis({ ...server, ...once });
  client.on('error', () => undefined);
  return work(client).finally(() => client.disconnect());
}

/** @param settings lines of its configuration, over those that every one of ours has */
export async function startRedisProcess(
  settings: (port: number) => string[] = () => [],
  { sentinel = false } = {},
): Promise<RedisProcess> {
  const folder = await mkdtemp(join(tmpdir(), 'rela-queue-redis-'));
  const port = await freePort();
  const socket = join(folder, 'redis.sock');
  const file = join(folder, 'redis.conf');
  const lines = [
    `port ${port}`,
    'bind 127.0.0.1',
    `dir ${folder}`,
    `unixsocket ${socket}`,
    `user ${ADMIN.username} on >${ADMIN.password} ~* &* +@all`,
    ...(sentinel ? [] : ['appendonly yes', 'save ""']),
    ...settings(port),
  ];
  await writeFile(file, `${lines.join('\n')}\n`);

  let child: ChildProcess | null = null;
  const ask: RedisProcess['ask'] = (work) => askRedis({ ...ADMIN, path: socket }, work);
  const started: RedisProcess = {
    port,
    ask,
    async start() {
      const server = spawn('redis-server', [file, ...(sentinel ? ['--sentinel'] : [])], { stdio: 'ignore' });
      child = server;
      for (;;) {
        try {
          await ask((client) => client.ping());
          return;
        } catch (error) {
          if (server.exitCode !== null) throw error;
          await sleep(50);
        }
      }
    },
    freeze: () => void child?.kill('SIGSTOP'),
    thaw: () => void child?.kill('SIGCONT'),
    async end(signal = 'SIGTERM') {
      if (!child || child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, 'exit');
      child.kill(signal);
      await gone;
    },
    async remove() {
      await started.end('SIGKILL');
      await rm(folder, { recursive: true, force: true });
    },
  };
  try {
    await started.start();
  } catch (error) {
    await started.remove();
    throw error;
  }
  return started;
}
