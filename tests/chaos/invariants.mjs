// What has to hold when everything is over, whatever went wrong.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { hasEnded } from '@rela/contracts';
import { auditJob } from '@rela/database';

const DIGEST = /sha256:[0-9a-f]{64}/g;

async function everyStepOnce({ client }, { id, result }) {
  const steps = [];
  for await (const { step } of client.runs.allMetrics(id)) steps.push(step);
  const isWhole = steps.length === result.steps && steps.every((step, at) => step === at + 1);
  return isWhole ? [] : [`run ${id}: ${steps.length} metrics of ${result.steps} steps, or not in order`];
}

/** The digest of a prior is a name, not that of an artifact. */
const withoutPriors = (key, value) => (key === 'prior' ? undefined : value);

/** What the rows of a job name, in results and checkpoints: by digest, where it stands. */
async function digestsOf({ database }, job) {
  const found = new Map();
  for (const { result, id, kind } of await database.stages.listByJob(job.id)) {
    for (const [digest] of JSON.stringify(result ?? {}, withoutPriors).matchAll(DIGEST))
      found.set(digest, `the result of the ${kind} stage ${id}`);
    const checkpoint = kind === 'train' ? await database.runs.checkpoint(id) : null;
    if (checkpoint) found.set(checkpoint.digest, `checkpoint ${checkpoint.step} of the stage ${id}`);
  }
  return found;
}

/**
 * @param accepted [{ id, kind }]
 * @param reference digest of the model of an unbroken run, by kind
 * @returns sentences about what does not hold
 */
export async function brokenPromises(world, accepted, reference) {
  const { client, database, store } = world;
  const faults = [];
  const verified = new Set();
  for (const { id, kind } of accepted) {
    const job = await client.jobs.get(id);
    if (!hasEnded(job.status)) faults.push(`job ${id} is ${job.status}`);
    if (job.status === 'failed') faults.push(`job ${id} failed: ${job.error}`);
    faults.push(...(await auditJob(database, id)));
    for (const { id: runId, status } of job.runs) {
      if (status !== 'succeeded') continue;
      const run = await client.runs.get(runId);
      faults.push(...(await everyStepOnce(world, run)));
      if (run.result.model !== reference[kind])
        faults.push(`run ${runId} (${kind}) has not the model of an unbroken run`);
    }
    for (const [digest, place] of await digestsOf(world, job)) {
      if (verified.has(digest)) continue;
      verified.add(digest);
      await store.read(digest).catch((error) => faults.push(`job ${id}, ${place}: ${error.message}`));
    }
  }
  return faults;
}

/** After the processes were told to stop. */
export async function leftBehind(world) {
  const processes = (await world.processes()).map((pid) => `process ${pid} is left`);
  const halves = await readdir(join(world.storage, 'incoming')).catch(() => []);
  return [...processes, ...halves.map((name) => `${name} is left half written`)];
}
