// What goes wrong. Each fault strikes, lasts for a while, and heals; what it breaks has to mend by itself.
import { randomUUID } from 'node:crypto';
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { childrenOf } from '../processes.js';
import { LEASE_SECONDS } from './world.mjs';

const SHORT_MS = 1500;

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

/** Messages of any age, in any order, each twice. */
async function resendMessages(world, random) {
  const { items } = await world.database.jobs.list({ limit: 10 });
  const messages = [];
  for (const { id } of items)
    for (const { id: stageId, kind, dispatch } of await world.database.stages.listByJob(id))
      for (let age = 1; age <= dispatch; age++) messages.push({ stageId, kind, dispatch: age });
  const order = random.permutation(messages.length);
  const queue = await world.openQueue();
  try {
    for (let twice = 0; twice < 2; twice++)
      await queue.send(Array.from(order.slice(0, 50), (place) => messages[place]));
  } finally {
    await queue.close();
  }
}

export const FAULTS = {
  'kill the API': killing('api'),
  'kill an orchestrator': killing('orchestrator'),
  'kill an embed worker': killing('embed-worker'),
  'kill a train worker': killing('train-worker'),
  async 'kill a training process'(world, random) {
    const children = named(world, 'train-worker').flatMap(({ pid }) => (pid ? childrenOf(pid) : []));
    if (children.length > 0) process.kill(pick(random, children), 'SIGKILL');
  },
  async 'stop a process in good order'(world, random) {
    pick(random, world.programs).signal('SIGTERM');
  },
  async 'freeze a worker past its lease'(world, random) {
    const worker = pick(random, named(world, 'embed-worker', 'train-worker'));
    const { pid } = worker;
    worker.signal('SIGSTOP');
    await sleep(1000 * (LEASE_SECONDS + 4));
    if (worker.pid === pid) worker.signal('SIGCONT');
  },
  async 'restart Postgres'({ postgres }) {
    const pid = await postgres.pid();
    if (pid) process.kill(pid, 'SIGINT');
  },
  async 'kill Postgres'({ postgres }) {
    const pid = await postgres.pid();
    if (pid) process.kill(pid, 'SIGQUIT');
  },
  async 'cut all connections to Postgres'({ databaseProxy }) {
    databaseProxy.cut();
  },
  async 'slow Postgres down'({ databaseProxy }) {
    databaseProxy.slow(100);
    await sleep(SHORT_MS);
    databaseProxy.free();
  },
  async 'let nothing through to Postgres'({ databaseProxy }) {
    databaseProxy.hold();
    await sleep(2 * SHORT_MS);
    databaseProxy.free();
  },
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
    redis.flush();
  },
  async 'cut all connections to Redis'({ queueProxy }) {
    queueProxy.cut();
  },
};
