/** Finds the targets that a person names, by job, run or digest, and says why where there are none to take. */
import { type Job, ProblemError, type Targets } from '@rela/contracts';
import type { RelaClient } from '@rela/sdk';
import { stageProgress } from '../follow/stage-progress.js';

/** Targets whose bytes are there. */
export type MadeTargets = Targets & { digest: string };

function noSuch(reference: string, detail: string): ProblemError {
  return new ProblemError('not-found', `There are no targets of "${reference}". ${detail}`);
}

async function candidates(client: RelaClient, reference: string): Promise<Targets[]> {
  const [kind] = reference.split(/[_:]/);
  switch (kind) {
    case 'job':
      return (await client.targets.list({ job: reference })).items;
    case 'run':
      return (await client.targets.list({ run: reference })).items;
    case 'sha256':
      return (await client.targets.list({ digest: reference, limit: 1 })).items;
    default:
      throw noSuch(
        reference,
        'Name a job (job_…), a run (run_…), or the digest that `rela targets list` has.',
      );
  }
}

const CHOOSING = /^(adopt|appraise|choose) /;
const MAKING = /^(appraise|embed|join|reduce) /;

/** What the job of the targets does, or has done, instead of having made them. */
function reasonOf(targets: Targets, job: Job): string {
  if (targets.status === 'failed') return `the stage reduce failed: ${targets.error ?? 'no reason given'}`;
  return stageReason(job, MAKING, targets.status === 'cancelled');
}

function stageReason(job: Job, stages: RegExp, cancelled = job.status === 'cancelled'): string {
  const before = stageProgress(job).filter(({ key }) => stages.test(key));
  const failed = before.find(({ state }) => state === 'failed');
  if (failed) return `the stage ${failed.label} failed: ${job.error ?? 'no reason given'}`;
  if (cancelled) return 'the job was cancelled before';
  const stage = before.find(({ state }) => state !== 'done');
  const at = stage ? `the stage ${stage.label} is at ${stage.text}` : 'their job has only begun';
  return `${at}. Wait for them with: rela jobs follow ${job.id}`;
}

/** The job, where it has not chosen a prior, so that nobody knows its targets yet; null of what will have none. */
async function jobWithoutPrior(client: RelaClient, reference: string): Promise<Job | null> {
  if (reference.startsWith('sha256:')) return null;
  const run = reference.startsWith('run_') ? await client.runs.get(reference) : null;
  if (run?.spec.rela === null) return null;
  const job = await client.jobs.get(run?.jobId ?? reference);
  const isOpen = job.stages.some(
    ({ kind, total, succeeded }) => (kind === 'choose' || kind === 'adopt') && succeeded < total,
  );
  return isOpen ? job : null;
}

/**
 * @param k chooses between several of one job
 * @throws ProblemError `not-found`, `invalid-request` where several fit, `not-ready` with the stage where they are not made yet
 */
export async function findTargets(
  client: RelaClient,
  reference: string,
  k: number | undefined,
): Promise<MadeTargets> {
  const found = await candidates(client, reference);
  const choosing = found.length === 0 ? await jobWithoutPrior(client, reference) : null;
  if (choosing)
    throw new ProblemError(
      'not-ready',
      `The targets of "${reference}" are not made: ${stageReason(choosing, CHOOSING)}`,
    );
  if (found.length === 0)
    throw noSuch(
      reference,
      reference.startsWith('sha256:')
        ? '`rela targets list` has the digests.'
        : 'It trains without ReLA. Make targets with: rela targets make DATASET --prior PRIOR',
    );
  const widths = found.map((targets) => targets.k);
  const fitting = found.filter((targets) => k === undefined || targets.k === k);
  const [targets] = fitting;
  if (!targets)
    throw noSuch(reference, `None have ${k} floats a target; there are some with ${widths.join(', ')}.`);
  if (fitting.length > 1)
    throw new ProblemError(
      'invalid-request',
      `"${reference}" has several targets, with ${widths.join(', ')} floats each. Choose with --k, or name a run that trains with them, or their digest.`,
    );
  if (targets.digest !== null) return { ...targets, digest: targets.digest };
  throw new ProblemError(
    'not-ready',
    `The targets of "${reference}" (k = ${targets.k}) are not made: ${reasonOf(targets, await client.jobs.get(targets.jobId))}`,
  );
}
