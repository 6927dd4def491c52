/** For tests: resources as the service would give them. */
import { type Job, type JobEvent, type Problem, ProblemError } from '@rela/contracts';

const at = '2026-01-01T00:00:00.000Z';

export function job(status: Job['status'] = 'queued'): Job {
  return {
    ...{
      id: 'job_1',
      name: null,
      status,
      datasetId: 'ds_1',
      priorId: null,
      waitsFor: [],
      runs: [],
      stages: [],
    },
    ...{ labels: {}, limits: {}, priority: 0, scheduleId: null, dueAt: null },
    ...{ appraisals: [], blend: null, choice: null, warnings: [] },
    ...{ error: null, createdAt: at, startedAt: null, endedAt: null },
  };
}

export function jobEvent(sequence: number, status: Job['status']): JobEvent {
  return { type: 'job', jobId: 'job_1', sequence, at, status, error: null };
}

export function problem(code: Problem['code'], detail = 'for the test'): Problem {
  return new ProblemError(code, detail).toProblem();
}
