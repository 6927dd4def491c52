// The service as it is deployed, each server behind a proxy: Postgres, a queue, storage, an API, two orchestrators and workers.

import { spawn, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { childEnvironment } from '@rela/config';
import { migrate, openDatabase, startEmbeddedPostgres } from '@rela/database';
import { openQueue } from '@rela/queue';
import { RelaClient } from '@rela/sdk';
import { openStore } from '@rela/storage';
import { createProgram, freePort, programOf } from '../programs.mjs';
import { openProxy } from './proxy.mjs';
import { openWitness } from './witness.mjs';

export const LEASE_SECONDS = 3;
/** Two of what has to be safe by twos. */
const PROGRAMS = ['api', 'orchestrator', 'orchestrator', 'embed-worker', 'train-worker', 'train-worker'];
/** Those that hold stages. */
const WORKERS = ['embed-worker', 'train-worker'];
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
  const home = join(folder, 'home');
  // What belongs to nobody else, so that what is left behind is theirs.
  const temporary = join(folder, 'tmp');
  const userHome = join(folder, 'user');
  const orders = join(folder, 'orders');
  for (const each of [storage, home, temporary, userHome, orders]) await mkdir(each);
  const apiPort = await freePort();
  const environment = childEnvironment({
    [MARK]: mark,
    QUEUE_URL: queueUrl,
    STORAGE_URL: storage,
    RELA_HOME: home,
    TMPDIR: temporary,
    HOME: userHome,
    XDG_CACHE_HOME: join(userHome, 'cache'),
    NODE_OPTIONS: `--import=${new URL('./bent.mjs', import.meta.url)}`,
    RELA_CHAOS_ORDERS: orders,
    RELA_CHAOS_DISK: [storage, home, temporary].join('\n'),
    API_PORT: String(apiPort),
    LEASE_SECONDS: String(LEASE_SECONDS),
    CHECKPOINT_SECONDS: '0.3',
    // Faults are many: giving up is not what is looked at.
    MAX_ATTEMPTS: '1000',
    // A sweep, which begins with every start of an orchestrator, has something to remove.
    GARBAGE_GRACE_SECONDS: '120',
    THREADS: '1',
    LOG_LEVEL: 'info',
  });
  const logFile = join(folder, 'log.jsonl');
  const log = await open(logFile, 'a');
  const witness = await openWitness(postgres.url);
  const programs = PROGRAMS.map((name, at) => {
    const id = `${name}-${at}`;
    // By its name Postgres knows whose connection it is.
    const url = new URL(databaseUrl);
    url.searchParams.set('application_name', id);
    const own = { ...environment, DATABASE_URL: url.href, RELA_CHAOS_PROGRAM: id };
    return Object.assign(createProgram({ name, file: programOf(name), environment: own, log: log.fd }), {
      id,
    });
  });
  const startPrograms = () => Promise.all(programs.map((program) => program.start()));
  await startPrograms();

  // Not through the proxies: what is checked is what is there.
  const database = await openDatabase(postgres.url, { connections: 3 });
  return {
    ...{ folder, storage, home, temporary, userHome, logFile, programs, postgres, redis },
    ...{ databaseProxy, queueProxy, database, witness, startPrograms },
    workers: new Set(programs.filter(({ name }) => WORKERS.includes(name)).map(({ id }) => id)),
    /** @param worker of a stage, `host:pid` @returns the program whose process it was; null: none of this world */
    programOfWorker(worker) {
      const [host, pid] = worker?.split(':') ?? [];
      return host === hostname() ? programs.find(({ pids }) => pids.has(Number(pid)))?.id : null;
    },
    /** The clock of one program, and of what it starts: this far ahead of the machine's, or behind. */
    shiftClock: ({ id }, milliseconds) => writeFile(join(orders, `clock.${id}`), String(milliseconds)),
    /** @param state ENOSPC: full; EROFS: read-only; empty: as it should be */
    setDisk: (state) => writeFile(join(orders, 'disk'), state),
    // On a machine that is busy with other things an API takes minutes to come back.
    client: new RelaClient({ baseUrl: `http://127.0.0.1:${apiPort}`, attempts: 300 }),
    store: openStore(storage),
    /** Whatever a fault was about to heal. */
    async heal() {
      for (const proxy of [databaseProxy, queueProxy]) proxy.free();
      await this.setDisk('');
      for (const program of programs) {
        program.signal('SIGCONT');
        await this.shiftClock(program, 0);
      }
    },
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
