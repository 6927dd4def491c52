// `npm run chaos -- [--seed N] [--faults N] [--only KIND] [--minutes N] [--queue postgres|redis] [--report FILE] [--keep]`: the service under
// load while its parts die, and whether it keeps its promises. The same seed draws the same faults; when they strike depends on the machine.
// Each kind strikes as often as any other. After --minutes, or at Ctrl-C, no more faults come: what was accepted ends, and is looked at.

import { writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { runPrepared } from '../../demo/prepare.mjs';

const SETTLE_MS = 10 * 60_000;
/** A fault waits this long for something to strike: a process that is just being started again, a stage that is worked at. */
const FIND_MS = 60_000;
/** Every fault heals by itself, long before this. */
const HEAL_MS = 60_000;
const SHOWN = 50;

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
        minutes: { type: 'string' },
        only: { type: 'string', multiple: true },
        queue: { type: 'string' },
        report: { type: 'string' },
        keep: { type: 'boolean', default: false },
      },
    });
    if (values.queue !== undefined && !['postgres', 'redis'].includes(values.queue))
      throw new Error(`--queue is postgres or redis; "${values.queue}" is neither.`);
    const minutes =
      values.minutes === undefined ? Number.POSITIVE_INFINITY : whole('minutes', values.minutes);
    return { ...values, minutes, seed: whole('seed', values.seed), faults: whole('faults', values.faults) };
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  }
}

const { seed, faults: count, minutes, only, queue: wanted, report: reportFile, keep } = readArguments();
const say = (text) => process.stdout.write(`${text}\n`);

async function main() {
  const { createRandom } = await import('@rela/random');
  const { FAULTS, REDIS_FAULTS } = await import('./faults.mjs');
  const { brokenPromises, leftADayLater, leftBehind } = await import('./invariants.mjs');
  const { keepBusy, KINDS, prepare } = await import('./load.mjs');
  const { describe } = await import('./report.mjs');
  const { createWorld, hasRedis } = await import('./world.mjs');

  const queue = wanted ?? (seed % 2 === 1 && hasRedis() ? 'redis' : 'postgres');
  const all = queue === 'redis' ? { ...FAULTS, ...REDIS_FAULTS } : FAULTS;
  const kinds = only ?? Object.keys(all);
  for (const kind of kinds)
    if (!(kind in all)) throw new Error(`There is no fault "${kind}": ${Object.keys(all).join('; ')}.`);
  say(`seed ${seed}, ${count} faults, queue in ${queue}`);

  const world = await createWorld({ queue });
  const began = performance.now();
  const run = {
    ...{ seed, wanted: count, queue, began: new Date(), seconds: 0, struck: {}, missed: [] },
    ...{ accepted: [], wishes: {}, ended: null, deaths: {}, looked: null, broken: [] },
  };
  const update = async () => {
    run.seconds = (performance.now() - began) / 1000;
    for (const { id, deaths } of world.programs) run.deaths[id] = deaths;
    if (reportFile) await writeFile(reportFile, describe(run));
  };
  const enough = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => enough.abort());
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
    const noMoreUsers = new AbortController();
    const load = keepBusy(world.client, random.fork('users'), noMoreUsers.signal);
    Object.assign(run, load.state);
    load.working.catch((error) => {
      say(`users could not go on: ${error.stack}`);
      run.broken.push(`users could not go on: ${error.message}`);
      enough.abort();
    });
    let order = [];
    for (let fault = 0; fault < count && !enough.signal.aborted; fault++) {
      if ((performance.now() - began) / 60_000 > minutes) break;
      if (order.length === 0) order = Array.from(random.permutation(kinds.length), (at) => kinds[at]);
      const name = order.pop();
      await sleep(500 + 1500 * random.next());
      const missed = await strike(all[name], world, random, enough.signal);
      if (missed === null) run.struck[name] = (run.struck[name] ?? 0) + 1;
      else run.missed.push(`${name}: ${missed}`);
      if ((fault + 1) % 10 === 0) {
        say(`${fault + 1} faults, ${run.accepted.length} jobs accepted`);
        await update();
      }
    }
    await world.heal();
    noMoreUsers.abort();
    await load.working.catch(() => undefined);
    run.broken.push(...(await settle(world, run.accepted)));
    const { faults, looked } = await brokenPromises(world, run.accepted, reference);
    run.ended = {};
    for (const { id } of run.accepted) {
      const { status } = await world.database.jobs.get(id);
      run.ended[status] = (run.ended[status] ?? 0) + 1;
    }
    await update();
    run.broken.push(...faults);
    for (const name of await world.stopPrograms()) run.broken.push(`${name} did not end within its time`);
    run.broken.push(...(await leftBehind(world)));
    const later = await leftADayLater(world);
    run.broken.push(...later.faults);
    run.looked = { ...looked, 'temporary folders of killed processes': later.killed };
    run.seconds = (performance.now() - began) / 1000;
    if (reportFile) await writeFile(reportFile, describe(run));
    say(`\n${describe(run)}`);
    if (run.broken.length === 0) say('every promise was kept');
    else {
      say(`\n${run.broken.length} promises were broken (logs: ${world.logFile}):`);
      for (const sentence of run.broken.slice(0, SHOWN)) say(`- ${sentence}`);
    }
  } finally {
    await world.close({ keep: keep || run.broken.length > 0 });
  }
  if (run.broken.length > 0) process.exitCode = 1;
}

/** Strikes as soon as there is something to strike. @returns null; why it could not, where it could not */
async function strike(fault, world, random, signal) {
  let why = 'there was nothing to strike';
  for (
    const end = performance.now() + FIND_MS;
    performance.now() < end && !signal.aborted;
    await sleep(200)
  ) {
    try {
      const late = sleep(HEAL_MS, 'late', { ref: false });
      const struck = await Promise.race([fault(world, random), late]);
      if (struck === 'late') {
        await world.heal();
        return `it did not end within ${HEAL_MS / 1000} s`;
      }
      if (struck !== false) return null;
    } catch (error) {
      // Of the fault before, which still heals: Postgres that is being started again.
      why = error.message;
    }
  }
  return why;
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

await runPrepared(main);
process.exit();
