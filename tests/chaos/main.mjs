// `npm run chaos -- [--seed N] [--faults N] [--queue postgres|redis] [--keep]`: the service under load while its parts die, and whether it
// keeps its promises. The same seed draws the same faults; when they strike depends on the machine.

import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { runPrepared } from '../../demo/prepare.mjs';

const SETTLE_MS = 10 * 60_000;

function readArguments() {
  const whole = (name, text) => {
    const value = Number(text);
    if (Number.isInteger(value) && value >= 0) return value;
    process.stderr.write(`--${name} takes a whole number; "${text}" is none.\n`);
    process.exit(1);
  };
  try {
    const { values } = parseArgs({
      options: {
        seed: { type: 'string', default: '1' },
        faults: { type: 'string', default: '20' },
        queue: { type: 'string' },
        keep: { type: 'boolean', default: false },
      },
    });
    if (values.queue !== undefined && !['postgres', 'redis'].includes(values.queue))
      throw new Error(`--queue is postgres or redis; "${values.queue}" is neither.`);
    return { ...values, seed: whole('seed', values.seed), faults: whole('faults', values.faults) };
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  }
}

const { seed, faults: count, queue: wanted, keep } = readArguments();
const say = (text) => process.stdout.write(`${text}\n`);

async function main() {
  const { createRandom } = await import('@rela/random');
  const { FAULTS, REDIS_FAULTS } = await import('./faults.mjs');
  const { brokenPromises, leftBehind } = await import('./invariants.mjs');
  const { keepBusy, KINDS, prepare } = await import('./load.mjs');
  const { createWorld, hasRedis } = await import('./world.mjs');

  const queue = wanted ?? (seed % 2 === 1 && hasRedis() ? 'redis' : 'postgres');
  say(`seed ${seed}, ${count} faults, queue in ${queue}`);
  const world = await createWorld({ queue });
  const began = performance.now();
  const broken = [];
  let state = { accepted: [], wishes: {} };
  const struck = {};
  try {
    await prepare(world);
    // Unbroken, before anything goes wrong.
    const reference = {};
    for (const kind of ['training', 'accelerated']) {
      const { id } = await world.client.jobs.create(KINDS[kind]);
      const job = await world.client.jobs.wait(id);
      if (job.status !== 'succeeded')
        throw new Error(`The unbroken job of ${kind} ${job.status}: ${job.error}`);
      reference[kind] = (await world.client.runs.get(job.runs[0].id)).result.model;
    }
    const random = createRandom(seed, 'chaos');
    const enough = new AbortController();
    const load = keepBusy(world.client, random.fork('users'), enough.signal);
    state = load.state;
    load.working.catch(() => undefined);
    const all = queue === 'redis' ? { ...FAULTS, ...REDIS_FAULTS } : FAULTS;
    const names = Object.keys(all);
    for (let fault = 0; fault < count; fault++) {
      const name = names[random.int(names.length)];
      await sleep(500 + 1500 * random.next());
      await all[name](world, random);
      struck[name] = (struck[name] ?? 0) + 1;
      if ((fault + 1) % 10 === 0) say(`${fault + 1} faults, ${state.accepted.length} jobs accepted`);
    }
    world.databaseProxy.free();
    enough.abort();
    await load.working;
    broken.push(...(await settle(world, state.accepted)));
    broken.push(...(await brokenPromises(world, state.accepted, reference)));
    for (const name of await world.stopPrograms()) broken.push(`${name} did not end within its time`);
    broken.push(...(await leftBehind(world)));
    await report(world, { state, struck, broken, seconds: (performance.now() - began) / 1000 });
  } finally {
    await world.close({ keep: keep || broken.length > 0 });
  }
  if (broken.length > 0) process.exitCode = 1;
}

/** Waits until every job has ended; what is left paused goes on. */
async function settle({ client }, accepted) {
  const { hasEnded } = await import('@rela/contracts');
  const end = performance.now() + SETTLE_MS;
  const open = new Set(accepted.map(({ id }) => id));
  while (open.size > 0 && performance.now() < end) {
    for (const id of open) {
      const { status } = await client.jobs.get(id);
      if (status === 'paused') await client.jobs.resume(id);
      if (hasEnded(status)) open.delete(id);
    }
    await sleep(500);
  }
  return [...open].map((id) => `job ${id} did not end within ${SETTLE_MS / 60_000} minutes`);
}

async function report({ database, programs, logFile }, { state, struck, broken, seconds }) {
  const ended = {};
  for (const { id } of state.accepted) {
    const { status } = await database.jobs.get(id);
    ended[status] = (ended[status] ?? 0) + 1;
  }
  say('\nfault                                struck');
  for (const [name, times] of Object.entries(struck).sort())
    say(`${name.padEnd(36)} ${String(times).padStart(6)}`);
  const deaths = programs.map(({ name, deaths: times }) => `${name} ${times}`).join(', ');
  say(`\nprocesses that died: ${deaths}`);
  say(`wishes of users: ${JSON.stringify(state.wishes)}`);
  say(`jobs accepted: ${state.accepted.length}; ended: ${JSON.stringify(ended)}; ${seconds.toFixed(0)} s`);
  if (broken.length === 0) say('every promise was kept');
  else {
    say(`\n${broken.length} promises were broken (logs: ${logFile}):`);
    for (const sentence of broken.slice(0, 50)) say(`- ${sentence}`);
  }
}

await runPrepared(main);
process.exit();
