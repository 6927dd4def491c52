// The service as it is deployed, each server behind a proxy: Postgres, a queue, storage, an API, two orchestrators and workers.

import { spawn, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, open, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { childEnvironment } from '@rela/config';
import { migrate, openDatabase, startEmbeddedPostgres } from '@rela/database';
import { openQueue } from '@rela/queue';
import { RelaClient } from '@rela/sdk';
import { openStore } from '@rela/storage';
import { createProgram, freePort, programOf } from '../programs.mjs';
import { openProxy } from './proxy.mjs';

export const LEASE_SECONDS = 3;
/** Two of what has to be safe by twos. */
const PROGRAMS = ['api', 'orchestrator', 'orchestrator', 'embed-worker', 'train-worker', 'train-worker'];
/** By which the processes of this world are known, whoever started them. */
const MARK = 'RELA_CHAOS';

export const hasRedis = () => spawnSync('redis-server', ['--version']).status === 0;

/** A Redis that keeps nothing over a restart: the worst queue that there is. */
async function startRedis(folder) {
  const port = await freePort();
  let child = null;
  const redis = {
    port,
    async start() {
      child = spawn('redis-server', ['--port', String(port), '--save', '', '--dir', folder], {
        stdio: 'ignore',
      });
      await once(child, 'spawn');
    },
    async stop() {
      if (!child) return;
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
      child = null;
    },
    flush: () => spawnSync('redis-cli', ['-p', String(port), 'flushall']),
  };
  await redis.start();
  return redis;
}

/** Process ids with this world's mark. */
async function processesOf(mark) {
  const found = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
    if (environment.split('\0').includes(`${MARK}=${mark}`)) found.push(Number(pid));
  }
  return found;
}

/** @param queue 'postgres' or 'redis' */
export async function createWorld({ queue }) {
  const folder = await mkdtemp(join(tmpdir(), 'rela-chaos-'));
  const mark = randomUUID();
  const postgres = await startEmbeddedPostgres({ folder: join(folder, 'postgres') });
  await migrate(postgres.url);
  const address = new URL(postgres.url);
  const databaseProxy = await openProxy({ host: address.hostname, port: Number(address.port) });
  const databaseUrl = new URL(postgres.url);
  databaseUrl.port = String(databaseProxy.port);

  const redis = queue === 'redis' ? await startRedis(folder) : null;
  const queueProxy = redis ? await openProxy({ host: '127.0.0.1', port: redis.port }) : databaseProxy;
  const queueUrl = redis ? `redis://127.0.0.1:${queueProxy.port}` : databaseUrl.href;

  const storage = join(folder, 'artifacts');
  await mkdir(storage);
  const apiPort = await freePort();
  const environment = childEnvironment({
    [MARK]: mark,
    DATABASE_URL: databaseUrl.href,
    QUEUE_URL: queueUrl,
    STORAGE_URL: storage,
    RELA_HOME: join(folder, 'home'),
    API_PORT: String(apiPort),
    LEASE_SECONDS: String(LEASE_SECONDS),
    CHECKPOINT_SECONDS: '0.3',
    // Faults are many: giving up is not what is looked at.
    MAX_ATTEMPTS: '1000',
    THREADS: '1',
    LOG_LEVEL: 'info',
  });
  const logFile = join(folder, 'log.jsonl');
  const log = await open(logFile, 'a');
  const programs = PROGRAMS.map((name) =>
    createProgram({ name, file: programOf(name), environment, log: log.fd }),
  );
  await Promise.all(programs.map((program) => program.start()));

  // Not through the proxies: what is checked is what is there.
  const database = await openDatabase(postgres.url, { connections: 3 });
  return {
    ...{ folder, storage, logFile, programs, postgres, redis, databaseProxy, queueProxy, database },
    client: new RelaClient({ baseUrl: `http://127.0.0.1:${apiPort}`, attempts: 30 }),
    store: openStore(storage),
    /** Straight into the queue. */
    openQueue: () => openQueue(redis ? `redis://127.0.0.1:${redis.port}` : postgres.url),
    processes: () => processesOf(mark),
    /** @returns names of the processes that did not end when they were asked to */
    async stopPrograms() {
      const ended = await Promise.all(programs.map((program) => program.stop()));
      return programs.filter((_, at) => !ended[at]).map(({ name }) => name);
    },
    async close({ keep }) {
      await this.stopPrograms();
      await database.close();
      await databaseProxy.close();
      if (redis) {
        await queueProxy.close();
        await redis.stop();
      }
      await postgres.stop();
      await log.close();
      if (!keep) await rm(folder, { recursive: true, force: true });
    },
  };
}
