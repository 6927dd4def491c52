/** A claim: the right of one attempt to work on a stage and to write what comes of it. */
import type { JobLimits, StageInput, StageResult } from '@rela/contracts';
import type { Transaction } from '../connection.js';
import type { Attempt, StageRow } from '../state/stage-state.js';

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

const LIMITS = { maxAttempts: true, attemptSeconds: true } as const;

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

/** What its job allows a stage. */
export async function limitsOfStage(tx: Transaction, { jobId }: Pick<StageRow, 'jobId'>): Promise<JobLimits> {
  return limitsOf(jobId ? await tx.job.findUnique({ where: { id: jobId }, select: LIMITS }) : null);
}

/** What the attempt needs to know that has just claimed the stage. */
export async function describeClaim(tx: Transaction, stage: StageRow): Promise<Claim> {
  const { id: stageId, jobId, resultKey } = stage;
  const job = jobId
    ? await tx.job.findUnique({ where: { id: jobId }, select: { reuse: true, ...LIMITS } })
    : null;
  const reuse = job?.reuse ?? false;
  const checkpoints = await tx.checkpoint.findMany({
    where: { stageId },
    orderBy: { step: 'desc' },
    select: { step: true, digest: true },
  });
  const dependencies = await tx.$queryRaw<{ result: StageResult }[]>`
    SELECT needed.result FROM stage_dependency AS mine JOIN stage AS needed ON needed.id = mine.dependency_id
    WHERE mine.stage_id = ${stageId} AND mine.needed ORDER BY mine.position`;
  // A choice is made of results that are kept, and with it goes the rest of the plan.
  const keeps = stage.kind !== 'choose' && !stage.fresh;
  // Marked in the transaction that takes it: whoever forgets old results leaves it alone.
  const [stored] =
    reuse && keeps
      ? await tx.$queryRaw<{ result: StageResult }[]>`
          UPDATE stage_result SET used_at = clock_timestamp() WHERE result_key = ${resultKey} RETURNING result`
      : [];
  return {
    ...{ stageId, fence: stage.fence, attempt: stage.attempt, jobId, runId: stage.runId },
    ...{ input: stage.input, resultKey, checkpoints, reuse },
    limits: limitsOf(job),
    dependencies: dependencies.map(({ result }) => result),
    existing: stored?.result ?? null,
  };
}
