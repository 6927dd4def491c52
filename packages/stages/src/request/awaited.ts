/** Looks up what of other jobs a job is to wait for. It has to exist, need not have ended, and must not have failed. */
import {
  hasEnded,
  type Job,
  type JobRequest,
  nearest,
  ProblemError,
  type Run,
  type RunPrior,
} from '@rela/contracts';
import type { AwaitedRun } from '../plan.js';
import type { Catalogue } from './catalogue.js';

type Known = Pick<Catalogue, 'jobs' | 'runs'>;

/** A prior may be called by 120 characters; an id has 36 of them. */
const LONGEST_RUN_NAME = 80;

function refusal(field: string, message: string): ProblemError {
  return new ProblemError('invalid-request', `The job cannot run. ${field}: ${message}.`, [
    { field, message },
  ]);
}

async function findJob({ jobs }: Known, id: string, field: string): Promise<Job> {
  const job = await jobs.get(id);
  if (!job) throw refusal(field, `there is no job "${id}"; GET /v1/jobs lists them`);
  return job;
}

async function findRun(known: Known, { job: jobId, run: reference }: RunPrior): Promise<Run> {
  if (jobId === undefined) {
    const run = await known.runs.get(reference);
    if (run) return run;
    throw refusal(
      'prior.run',
      `there is no run "${reference}"; give its id, or its name and the id of its job as "job"`,
    );
  }
  const { runs } = await findJob(known, jobId, 'prior.job');
  const named = runs.find(({ id, name }) => id === reference || name === reference);
  const run = named && (await known.runs.get(named.id));
  if (run) return run;
  const names = runs.map(({ name }) => name);
  const meant = nearest(reference, names);
  throw refusal(
    'prior.run',
    `job ${jobId} has no run "${reference}"; ${meant ? `did you mean "${meant}"?` : `its runs: ${names.join(', ') || 'none'}`}`,
  );
}

function refuseEnded(
  field: string,
  { id, status, jobId }: { id: string; status: Job['status']; jobId: string },
): void {
  if (hasEnded(status) && status !== 'succeeded')
    throw refusal(
      field,
      `${id} ${status === 'failed' ? 'has failed' : 'was cancelled'}; send its job again first (POST /v1/jobs/${jobId}/retry)`,
    );
}

/** The run whose model `prior: { run }` names. @throws ProblemError `invalid-request` naming the field */
export async function findAwaitedRun(known: Known, { prior }: JobRequest): Promise<AwaitedRun | undefined> {
  if (typeof prior !== 'object' || !('run' in prior)) return undefined;
  const run = await findRun(known, prior);
  refuseEnded('prior.run', run);
  return { run, name: prior.name ?? `${run.name.slice(0, LONGEST_RUN_NAME).trimEnd()} ${run.id}` };
}

/** Ids of the jobs that `after` names. @throws ProblemError `invalid-request` naming the field */
export async function findJobsBefore(known: Known, { after }: JobRequest): Promise<string[]> {
  for (const [index, id] of after.entries()) {
    const field = `after[${index}]`;
    const first = after.indexOf(id);
    if (first < index) throw refusal(field, `is the same as after[${first}]; name each job once`);
    const { status } = await findJob(known, id, field);
    refuseEnded(field, { id, status, jobId: id });
  }
  return after;
}
