/** A claim: the right of one attempt to work on a stage and to write what comes of it. */
import type { JobLimits, StageInput, StageResult } from '@rela/contracts';
import { among } from '../among.js';
import type { Statements, Transaction } from '../connection.js';
import type { LockedJob } from '../state/events.js';
import type { Attempt, ClaimedStage, StageRow } from '../state/stage-state.js';

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

/** What the attempts need to know that have just claimed the stages. @param jobs those of the stages, which the caller has locked */
export async function describeClaims(
  tx: Statements,
  stages: ClaimedStage[],
  jobs: ReadonlyMap<string, LockedJob>,
): Promise<Claim[]> {
  const [checkpoints, dependencies, results] = [
    await checkpointsOf(tx, stages),
    await dependenciesOf(tx, stages),
    await resultsFor(tx, stages, jobs),
  ];
  return stages.map((stage) => {
    const { id: stageId, jobId, resultKey } = stage;
    const job = jobId === null ? null : (jobs.get(jobId) ?? null);
    return {
      ...{ stageId, fence: stage.fence, attempt: stage.attempt, jobId, runId: stage.runId },
      ...{ input: stage.input, resultKey, reuse: job?.reuse ?? false, limits: limitsOf(job) },
      checkpoints: checkpoints.get(stageId) ?? [],
      dependencies: dependencies.get(stageId) ?? [],
      existing:
        job && takesResults(stage, job) ? (results.get(`${job.tenantId} ${resultKey}`) ?? null) : null,
    };
  });
}

/** With a choice and with an adopted model goes the rest of the plan; a choice is made of results that are kept. */
const takesResults = (stage: StageRow, job: LockedJob | null): boolean =>
  (job?.reuse ?? false) && stage.kind !== 'choose' && stage.kind !== 'adopt' && !stage.fresh;

/** Only trainings have any. */
async function checkpointsOf(tx: Statements, stages: StageRow[]): Promise<Map<string, Claim['checkpoints']>> {
  const ids = stages.filter(({ kind }) => kind === 'train').map(({ id }) => id);
  const found = new Map<string, Claim['checkpoints']>();
  if (ids.length === 0) return found;
  const rows = await tx.$queryRaw<{ stageId: string; step: number; digest: string }[]>`
    SELECT stage_id AS "stageId", step, digest FROM checkpoint WHERE stage_id = ${among(ids)} ORDER BY step DESC`;
  for (const { stageId, ...checkpoint } of rows)
    found.set(stageId, [...(found.get(stageId) ?? []), checkpoint]);
  return found;
}

/** Each result once, also where a hundred stages depend on it. */
async function dependenciesOf(tx: Statements, stages: StageRow[]): Promise<Map<string, StageResult[]>> {
  const rows = await tx.$queryRaw<{ result: StageResult; stageIds: string[]; positions: number[] }[]>`
    SELECT (SELECT result FROM stage WHERE stage.id = mine.dependency_id) AS result,
      array_agg(stage_id) AS "stageIds", array_agg(position) AS positions
    FROM stage_dependency AS mine WHERE stage_id = ANY(${stages.map(({ id }) => id)}) AND needed GROUP BY dependency_id`;
  const placed = new Map<string, { position: number; result: StageResult }[]>();
  for (const { result, stageIds, positions } of rows)
    for (const [index, stageId] of stageIds.entries()) {
      const own = placed.get(stageId) ?? [];
      own.push({ position: positions[index]!, result });
      placed.set(stageId, own);
    }
  return new Map(
    [...placed].map(([stageId, own]) => [
      stageId,
      own.sort((a, b) => a.position - b.position).map(({ result }) => result),
    ]),
  );
}

/**
 * Earlier results of equal keys, marked in the transaction that takes them: whoever forgets old results leaves them alone.
 * @returns by tenant and key, with a space between
 */
async function resultsFor(
  tx: Statements,
  stages: StageRow[],
  jobs: ReadonlyMap<string, LockedJob>,
): Promise<Map<string, StageResult>> {
  const wanted = stages.flatMap((stage) => {
    const job = (stage.jobId && jobs.get(stage.jobId)) || null;
    return job && takesResults(stage, job) ? [{ tenant: job.tenantId, key: stage.resultKey }] : [];
  });
  if (wanted.length === 0) return new Map();
  const rows = await tx.$queryRaw<{ tenantId: string; resultKey: string; result: StageResult }[]>`
    WITH there AS (
      SELECT tenant_id, result_key FROM stage_result WHERE (tenant_id, result_key) IN (
        SELECT * FROM unnest(${wanted.map(({ tenant }) => tenant)}::text[], ${wanted.map(({ key }) => key)}::text[]))
      ORDER BY tenant_id, result_key FOR NO KEY UPDATE
    )
    UPDATE stage_result AS kept SET used_at = clock_timestamp() FROM there
    WHERE kept.tenant_id = there.tenant_id AND kept.result_key = there.result_key
    RETURNING kept.tenant_id AS "tenantId", kept.result_key AS "resultKey", kept.result`;
  return new Map(rows.map(({ tenantId, resultKey, result }) => [`${tenantId} ${resultKey}`, result]));
}
