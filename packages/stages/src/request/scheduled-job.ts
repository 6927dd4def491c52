/** The job of a schedule, planned as if it were submitted now; its faults are named by their fields in the schedule. */
import { type JobPlan, Labels, ProblemError } from '@rela/contracts';
import type { PlanDependencies } from './catalogue.js';
import { planRequest } from './plan-request.js';
import { readJob } from './read-job.js';

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
    const { request, placed } = readJob(schedule.job);
    const labels = labelsOf(schedule.labels, request.labels);
    return await planRequest(dependencies, { request: { ...request, labels }, placed });
  } catch (error) {
    if (!(error instanceof ProblemError) || !error.errors) throw error;
    const errors = error.errors.map((fault) => ({ ...fault, field: `job.${fault.field}` }));
    throw new ProblemError(error.code, error.detail, errors, { cause: error });
  }
}
