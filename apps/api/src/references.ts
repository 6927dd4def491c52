/** Finds what a request names; where there is no such thing, says so and names what was probably meant. */
import { type Job, ProblemError, type Run, type Schedule } from '@rela/contracts';
import type { TenantDatabase } from '@rela/database';
import { unknownReference } from '@rela/stages';

/** @throws ProblemError `not-found` */
export async function findJob({ jobs }: Pick<TenantDatabase, 'jobs'>, id: string): Promise<Job> {
  const job = await jobs.get(id);
  if (!job) throw new ProblemError('not-found', `There is no job "${id}". GET /v1/jobs lists them.`);
  return job;
}

/** @throws ProblemError `not-found` */
export async function findRun({ runs }: Pick<TenantDatabase, 'runs'>, id: string): Promise<Run> {
  const run = await runs.get(id);
  if (!run)
    throw new ProblemError(
      'not-found',
      `There is no run "${id}". GET /v1/jobs/{id} lists the runs of a job.`,
    );
  return run;
}

/** @throws ProblemError `not-found` naming the nearest schedule */
export async function findSchedule(
  { schedules }: Pick<TenantDatabase, 'schedules'>,
  reference: string,
): Promise<Schedule> {
  const schedule = await schedules.find(reference);
  if (!schedule) throw unknownReference('schedule', reference, await schedules.names());
  return schedule;
}
