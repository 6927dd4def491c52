/** Reads the request for a job: its matrix is multiplied out, then it is validated. */
import { expandMatrix, invalidRequest, JobCreate, type JobRequest, type ProblemError } from '@rela/contracts';
import { z } from 'zod';

const schema = z.toJSONSchema(JobCreate, { io: 'input', unrepresentable: 'any' });

/** A request without a matrix, with what says a problem of it in terms of what was written. */
export interface WrittenJob {
  request: JobRequest;
  placed(problem: ProblemError): ProblemError;
}

/** @param written a JSON document @throws ProblemError `invalid-request` naming the fields as they were written */
export function readJob(written: unknown): WrittenJob {
  const { value, placed } = expandMatrix(written);
  const parsed = JobCreate.safeParse(value);
  if (!parsed.success) throw placed(invalidRequest('body', parsed.error.issues, value, schema));
  const { matrix: _multiplied, ...request } = parsed.data;
  return { request, placed };
}
