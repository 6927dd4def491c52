// What has to hold when everything is over, whatever went wrong.
import { access, readdir, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hasEnded } from '@rela/contracts';
import { auditJob } from '@rela/database';
import { KINDS } from './load.mjs';

const DIGEST = /sha256:[0-9a-f]{64}/g;
const TWO_DAYS_MS = 2 * 24 * 3600_000;

async function everyStepOnce({ client }, { id, result }) {
  const steps = [];
  for await (const { step } of client.runs.allMetrics(id)) steps.push(step);
  const isWhole = steps.length === result.steps && steps.every((step, at) => step === at + 1);
  return isWhole ? [] : [`run ${id}: ${steps.length} metrics of ${result.steps} steps, or not in order`];
}

/** Every artifact that a row of any table names, and every one that such an artifact names as a list of others. */
export async function artifactsAreThere({ database, store, witness }) {
  const faults = [];
  const verified = new Map();
  const verify = async (digest, place) => {
    if (verified.has(digest)) return verified.get(digest);
    const bytes = await store.read(digest).catch((error) => {
      faults.push(`${place}: ${error.message}`);
      return null;
    });
    verified.set(digest, bytes);
    return bytes;
  };
  for (const { digest, place } of await witness.named()) await verify(digest, `a row of ${place}`);
  for (const list of await database.garbage.lists()) {
    const bytes = await verify(list, 'a list of artifacts');
    if (bytes)
      for (const [digest] of new TextDecoder().decode(bytes).matchAll(DIGEST))
        await verify(digest, `the list ${list}`);
  }
  return { faults, count: verified.size };
}

/**
 * @param accepted [{ id, kind }]
 * @param reference digest of the model of an unbroken run, by kind
 * @returns { faults: sentences about what does not hold, looked: what was looked at, in numbers }
 */
export async function brokenPromises(world, accepted, reference) {
  const { client, database, witness } = world;
  const faults = [];
  const looked = { runs: 0, metrics: 0 };
  for (const { id, kind } of accepted) {
    const job = await client.jobs.get(id);
    if (!hasEnded(job.status)) faults.push(`job ${id} is ${job.status}`);
    if (job.status === 'failed') faults.push(`job ${id} failed: ${job.error}`);
    faults.push(...(await auditJob(database, id)));
    for (const { id: runId, status } of job.runs) {
      if (status !== 'succeeded') continue;
      const run = await client.runs.get(runId);
      faults.push(...(await everyStepOnce(world, run)));
      looked.runs += 1;
      looked.metrics += run.result.steps;
      if (run.result.model !== reference[kind])
        faults.push(`run ${runId} (${kind}) has not the model of an unbroken run`);
    }
  }
  const artifacts = await artifactsAreThere(world);
  faults.push(...artifacts.faults, ...(await witness.twoWinners()));
  const strangers = await witness.strangers(world.programOfWorker, world.workers);
  faults.push(...strangers.faults);
  return {
    faults,
    looked: {
      ...{ ...looked, artifacts: artifacts.count },
      ...{ 'writes of attempts': strangers.watched, 'stages taken from a worker': await witness.taken() },
    },
  };
}

/** Of everything that stands in a folder, as paths in it. */
async function filesIn(folder) {
  const found = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return found.filter((entry) => !entry.isDirectory()).map((entry) => join(entry.parentPath, entry.name));
}

/** Under a name that is not the last one: what is whole has another. */
const isPassing = (path) => /\.step\.[0-9a-f-]{36}$/.test(path);

/** After the processes were told to stop. */
export async function leftBehind(world) {
  const processes = (await world.processes()).map((pid) => `process ${pid} is left`);
  const halves = await readdir(join(world.storage, 'incoming')).catch(() => []);
  return [...processes, ...halves.map((name) => `${name} is left half written`)];
}

/**
 * What a killed process had in the temporary folder it could not remove itself. A day later whoever needs such a folder removes it: the day
 * passes by setting the times of the files back.
 */
export async function leftADayLater(world) {
  const { client, temporary, home, userHome, programs } = world;
  const then = new Date(Date.now() - TWO_DAYS_MS);
  const killed = await readdir(temporary);
  for (const name of killed) await utimes(join(temporary, name), then, then);
  const scratch = join(home, 'cache', 'scratch');
  for (const name of await readdir(scratch).catch(() => [])) await utimes(join(scratch, name), then, then);
  for (const path of await filesIn(home)) {
    if (isPassing(path)) await utimes(path, then, then);
    // Steps are lowered anew: who keeps one looks at what lies beside it.
    else if (path.endsWith('.step')) await rm(path);
  }
  await world.startPrograms();
  const faults = [];
  for (const kind of ['targets', 'training']) {
    const { id } = await client.jobs.create(KINDS[kind]);
    const { status, error } = await client.jobs.wait(id);
    if (status !== 'succeeded') faults.push(`a job of ${kind} after all of it ${status}: ${error}`);
  }
  for (const name of await world.stopPrograms()) faults.push(`${name} did not end within its time`);
  faults.push(...(await leftBehind(world)));
  const left = [...(await filesIn(home)).filter(isPassing), ...(await filesIn(userHome))];
  for (const name of await readdir(temporary)) left.push(join(temporary, name));
  for (const name of await readdir(scratch).catch(() => [])) left.push(join(scratch, name));
  // Written where no setting leads: by native code.
  for (const pid of programs.flatMap(({ pids }) => [...pids])) {
    const path = join(tmpdir(), `mat-debug-${pid}.log`);
    if (
      await access(path).then(
        () => true,
        () => false,
      )
    )
      left.push(path);
  }
  return { faults: [...faults, ...left.map((path) => `${path} is left`)], killed: killed.length };
}
