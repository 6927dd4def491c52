/** A claim: the right of one attempt to work on a stage and to write what comes of it. */
import type { JobLimits, StageInput, StageResult } from '@rela/contracts';
import type { Attempt } from '../state/stage-state.js';

export interface Claim extends Attempt {
  /** 1 for the first try; one that was handed back in good order does not count. */
  attempt: number;
  jobId: string | null;
  runId: string | null;
  input: StageInput;
  resultKey: string;
  /** Of this stage, newest first. */
  checkpoints: { step: number; digest: string }[];
  /** Results of the stages it depends on, in the order of the plan. */
  dependencies: StageResult[];
  /** What the job allows the stage. */
  limits: JobLimits;
  /** Whether the job takes results that exist already. */
  reuse: boolean;
  /** Such a result, where there is one and the job takes it. */
  existing: StageResult | null;
}

/** Nothing is allowed otherwise than the service does it where the job says nothing, or there is none. */
export function limitsOf(
  job: { maxAttempts: number | null; attemptSeconds: number | null } | null,
): JobLimits {
  const { maxAttempts = null, attemptSeconds = null } = job ?? {};
  return {
    ...(maxAttempts === null ? {} : { attempts: maxAttempts }),
    ...(attemptSeconds === null ? {} : { attemptSeconds }),
  };
}
