/** The job of a schedule, planned as if it were submitted now; its faults are named by their fields in the schedule. */
import { invalidRequest, JobCreate, type JobPlan, Labels, ProblemError } from '@rela/contracts';
import { z } from 'zod';
import type { PlanDependencies } from './catalogue.js';
import { planRequest } from './plan-request.js';

const jobSchema = z.toJSONSchema(JobCreate, { io: 'input', unrepresentable: 'any' });

/** An earlier version may have accepted the job: what has been added since gets its default. */
function parseJob(job: unknown): JobCreate {
  const parsed = JobCreate.safeParse(job);
  if (parsed.success) return parsed.data;
  throw invalidRequest('job of the schedule', parsed.error.issues, job, jobSchema);
}

/** The labels of a schedule are its jobs' too; the job's own go before. */
function labelsOf(ofSchedule: Labels, ofJob: Labels): Labels {
  const labels = Labels.safeParse({ ...ofSchedule, ...ofJob });
  if (labels.success) return labels.data;
  const message = 'has more than 32 labels together with those of the schedule';
  throw new ProblemError('invalid-request', `job.labels: ${message}. Leave some out.`, [
    { field: 'labels', message },
  ]);
}

/** @throws ProblemError as `planRequest`, and `invalid-request` where this version would not accept the job */
export async function planScheduledJob(
  dependencies: PlanDependencies,
  schedule: { job: unknown; labels: Labels },
): Promise<JobPlan> {
  try {
    const job = parseJob(schedule.job);
    return await planRequest(dependencies, { ...job, labels: labelsOf(schedule.labels, job.labels) });
  } catch (error) {
    if (!(error instanceof ProblemError) || !error.errors) throw error;
    const errors = error.errors.map((fault) => ({ ...fault, field: `job.${fault.field}` }));
    throw new ProblemError(error.code, error.detail, errors, { cause: error });
  }
}
