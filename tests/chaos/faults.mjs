// What goes wrong. Each fault strikes, lasts for a while, and heals; what it breaks has to mend by itself. One that found nothing to strike
// gives false.
import { randomUUID } from 'node:crypto';
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { childrenOf } from '../processes.js';
import { LEASE_SECONDS } from './world.mjs';

const SHORT_MS = 1500;
const HOUR_MS = 3600_000;
/** A clock set wrong by a time zone, by a day and a bit (beyond every grace), by more than results are kept. */
const SHIFTS_MS = [2, 26, 40 * 24].flatMap((hours) => [hours * HOUR_MS, -hours * HOUR_MS]);

const pick = (random, all) => all[random.int(all.length)];
const named = (world, ...names) => world.programs.filter(({ name }) => names.includes(name));

const killing = (name) => async (world, random) => pick(random, named(world, name)).signal('SIGKILL');

/** A file where the folder was, in which artifacts are written: no write succeeds, whoever tries. */
async function refuseWrites({ storage }) {
  const incoming = join(storage, 'incoming');
  const away = join(storage, `away-${randomUUID()}`);
  await rename(incoming, away);
  await writeFile(incoming, '');
  await sleep(SHORT_MS);
  await rm(incoming);
  await rename(away, incoming);
}

const disk = (state) => async (world) => {
  await world.setDisk(state);
  await sleep(2 * SHORT_MS);
  await world.setDisk('');
};

/** While it runs, or so that it starts with the wrong time; and back again. */
async function jumpClock(world, random) {
  const program = pick(random, world.programs);
  const shift = pick(random, SHIFTS_MS);
  const starts = random.next() < 0.5;
  await world.shiftClock(program, shift);
  if (starts) program.signal('SIGKILL');
  await sleep((starts ? 3 : 2) * SHORT_MS);
  await world.shiftClock(program, 0);
}

/** Messages of any age, in any order, each twice. */
async function resendMessages(world, random) {
  const { items } = await world.database.jobs.list({ limit: 10 });
  const messages = [];
  for (const { id } of items)
    for (const { id: stageId, kind, dispatch } of await world.database.stages.listByJob(id))
      for (let age = 1; age <= dispatch; age++) messages.push({ stageId, kind, dispatch: age });
  if (messages.length === 0) return false;
  const order = random.permutation(messages.length);
  const queue = await world.openQueue();
  try {
    for (let twice = 0; twice < 2; twice++)
      await queue.send(Array.from(order.slice(0, 50), (place) => messages[place]));
  } finally {
    await queue.close();
  }
  return true;
}

/** Stopped, away for a while, and started again. */
async function stopPostgres({ postgres, databaseProxy }) {
  const pid = await postgres.pid();
  if (!pid) return false;
  await databaseProxy.leave();
  process.kill(pid, 'SIGINT');
  await sleep(2 * SHORT_MS);
  await databaseProxy.comeBack();
  return true;
}

const signalPostgres =
  (signal) =>
  async ({ postgres }) => {
    const pid = await postgres.pid();
    return pid ? process.kill(pid, signal) : false;
  };

const slowing = (proxyOf) => async (world) => {
  const proxy = proxyOf(world);
  proxy.slow(100);
  await sleep(SHORT_MS);
  proxy.free();
};

const holding = (proxyOf) => async (world) => {
  const proxy = proxyOf(world);
  proxy.hold();
  await sleep(2 * SHORT_MS);
  proxy.free();
};

const toPostgres = ({ databaseProxy }) => databaseProxy;
const toRedis = ({ queueProxy }) => queueProxy;

export const FAULTS = {
  'kill the API': killing('api'),
  'kill an orchestrator': killing('orchestrator'),
  'kill an embed worker': killing('embed-worker'),
  'kill a train worker': killing('train-worker'),
  async 'kill a training process'(world, random) {
    const children = named(world, 'train-worker').flatMap(({ pid }) => (pid ? childrenOf(pid) : []));
    return children.length > 0 && process.kill(pick(random, children), 'SIGKILL');
  },
  async 'stop a process in good order'(world, random) {
    return pick(random, world.programs).signal('SIGTERM');
  },
  async 'freeze a worker past its lease'(world, random) {
    // One that has something to lose.
    const holders = new Set((await world.witness.holders()).map(world.programOfWorker));
    const workers = named(world, 'embed-worker', 'train-worker').filter(({ id }) => holders.has(id));
    if (workers.length === 0) return false;
    const worker = pick(random, workers);
    const { pid } = worker;
    if (!worker.signal('SIGSTOP')) return false;
    await sleep(1000 * (LEASE_SECONDS + 4));
    if (worker.pid === pid) worker.signal('SIGCONT');
    return true;
  },
  async 'freeze an orchestrator'(world, random) {
    const orchestrator = pick(random, named(world, 'orchestrator'));
    const { pid } = orchestrator;
    if (!orchestrator.signal('SIGSTOP')) return false;
    await sleep(1000 * (LEASE_SECONDS + 4));
    if (orchestrator.pid === pid) orchestrator.signal('SIGCONT');
    return true;
  },
  'let the clock of a process jump': jumpClock,
  'restart Postgres': signalPostgres('SIGINT'),
  'kill Postgres': signalPostgres('SIGQUIT'),
  'stop Postgres for a while': stopPostgres,
  async 'cut all connections to Postgres'({ databaseProxy }) {
    databaseProxy.cut();
  },
  'slow Postgres down': slowing(toPostgres),
  'let nothing through to Postgres': holding(toPostgres),
  'fill the disk': disk('ENOSPC'),
  'make the disk read-only': disk('EROFS'),
  'refuse writes to storage': refuseWrites,
  'send messages again, in any order': resendMessages,
};

export const REDIS_FAULTS = {
  async 'restart Redis, which forgets'({ redis }) {
    await redis.stop();
    await sleep(SHORT_MS);
    await redis.start();
  },
  async 'flush Redis'({ redis }) {
    return redis.flush().status === 0;
  },
  async 'cut all connections to Redis'({ queueProxy }) {
    queueProxy.cut();
  },
  'slow Redis down': slowing(toRedis),
  'let nothing through to Redis': holding(toRedis),
};
