/**
 * The state of a run; only this file changes it. It follows the run's own stages and those they depend on:
 *
 *     queued ──own stage claimed──▶ running ──all own stages succeeded──▶ succeeded
 *        │                            │
 *        ├──own stage failed, or one that it depends on ──▶ failed
 *        └──job cancelled, no own stage under way ────────▶ cancelled
 *
 * A run stays `running` while a stage of it is queued again, or its job is paused: its stages tell that story. From `succeeded`, `failed`
 * and `cancelled` it becomes queued again where stages of it are sent again. Every change appends an event to the job, whose lock the caller holds.
 */
import type { NewJobEvent, RunResult, RunSpec, RunStatus, StageResultOf } from '@rela/contracts';
import { among } from '../among.js';
import type { Statements, Transaction } from '../connection.js';
import { Prisma } from '../generated/client.js';
import { appendEvents, type EventOfJob } from './events.js';

interface RunRow {
  id: string;
  jobId: string;
  name: string;
  status: RunStatus;
  error: string | null;
}

const COLUMNS = Prisma.sql`run.id, run.job_id AS "jobId", run.name, run.status, run.error`;

const runEvent = ({ id, name, status, error }: Omit<RunRow, 'jobId'>): NewJobEvent => ({
  ...{ type: 'run', runId: id, name, status, error },
});

async function announce(tx: Statements, rows: RunRow[]): Promise<number> {
  const [first] = rows;
  if (!first) return 0;
  await appendEvents(tx, first.jobId, rows.map(runEvent));
  return rows.length;
}

export interface NewRunRow {
  id: string;
  jobId: string;
  position: number;
  name: string;
  spec: RunSpec;
}

/** New runs are queued. @returns the events, which the caller appends */
export async function insertRuns(tx: Statements, runs: NewRunRow[]): Promise<EventOfJob[]> {
  if (runs.length === 0) return [];
  await tx.$queryRaw`
    INSERT INTO run (id, job_id, position, name, status, spec)
    SELECT id, "jobId", position, name, 'queued', spec FROM jsonb_to_recordset(${JSON.stringify(runs)}::jsonb)
      AS one (id text, "jobId" text, position int, name text, spec jsonb)`;
  return runs.map(({ jobId, id, name }) => ({
    jobId,
    event: runEvent({ id, name, status: 'queued', error: null }),
  }));
}

/** queued → running. @returns the events, which the caller appends */
export async function startRuns(tx: Statements, ids: string[]): Promise<EventOfJob[]> {
  if (ids.length === 0) return [];
  const rows = await tx.$queryRaw<RunRow[]>`
    UPDATE run SET status = 'running', started_at = clock_timestamp()
    WHERE id = ${among(ids)} AND status = 'queued' RETURNING ${COLUMNS}`;
  return rows.map((row) => ({ jobId: row.jobId, event: runEvent(row) }));
}

/** queued | running → failed. */
export async function failRuns(tx: Transaction, ids: string[], error: string): Promise<void> {
  await announce(
    tx,
    await tx.$queryRaw<RunRow[]>`
      UPDATE run SET status = 'failed', error = ${error}, ended_at = clock_timestamp()
      WHERE id = ANY(${ids}) AND status IN ('queued', 'running') RETURNING ${COLUMNS}`,
  );
}

/** queued | running → failed, for all runs of the job. */
export async function failRunsOfJob(tx: Transaction, jobId: string, error: string): Promise<void> {
  const runs = await tx.run.findMany({ where: { jobId }, select: { id: true } });
  await failRuns(
    tx,
    runs.map(({ id }) => id),
    error,
  );
}

/** queued | running → cancelled, for the runs of the job that have no stage under way or to come. */
export async function cancelIdleRuns(tx: Statements, jobId: string): Promise<void> {
  await announce(
    tx,
    await tx.$queryRaw<RunRow[]>`
      UPDATE run SET status = 'cancelled', ended_at = clock_timestamp()
      WHERE job_id = ${jobId} AND status IN ('queued', 'running') AND NOT EXISTS (
        SELECT 1 FROM stage WHERE stage.run_id = run.id AND stage.status IN ('waiting', 'queued', 'running', 'paused'))
      RETURNING ${COLUMNS}`,
  );
}

/** succeeded | failed | cancelled → queued, for the runs that have a stage to come. */
export async function reopenRuns(tx: Transaction, jobId: string): Promise<void> {
  await announce(
    tx,
    await tx.$queryRaw<RunRow[]>`
      UPDATE run SET status = 'queued', error = NULL, started_at = NULL, ended_at = NULL
      WHERE job_id = ${jobId} AND status IN ('succeeded', 'failed', 'cancelled') AND EXISTS (
        SELECT 1 FROM stage WHERE stage.run_id = run.id AND stage.status = 'waiting')
      RETURNING ${COLUMNS}`,
  );
}

/** running → succeeded, where all of its own stages have. */
export async function finishRun(tx: Transaction, id: string): Promise<void> {
  await announce(
    tx,
    await tx.$queryRaw<RunRow[]>`
      UPDATE run SET status = 'succeeded', ended_at = clock_timestamp()
      WHERE id = ${id} AND status = 'running' AND NOT EXISTS (
        SELECT 1 FROM stage WHERE stage.run_id = run.id AND stage.status <> 'succeeded')
      RETURNING ${COLUMNS}`,
  );
}

interface Results {
  train: StageResultOf<'train'> | null;
  trainReused: boolean | null;
  reduce: StageResultOf<'reduce'> | null;
  /** Of the priors whose targets the run takes; others of the job are not its own. */
  lookSeconds: number;
  /** Of all evaluate stages that have succeeded, in the order of the plan. */
  evaluates: StageResultOf<'evaluate'>[] | null;
}

function bestOf({
  step,
  epoch,
  accuracy,
  model,
  weights,
}: NonNullable<StageResultOf<'train'>['best']>): NonNullable<RunResult['best']> {
  return { step, epoch, accuracy, model, weights };
}

/** What the evaluations beside the first one say, and the features that the first one kept. */
function furtherResults(
  evaluates: StageResultOf<'evaluate'>[],
): Pick<RunResult, 'transfer' | 'finetune' | 'features'> {
  const transfer: NonNullable<RunResult['transfer']> = [];
  const finetune: NonNullable<RunResult['finetune']> = [];
  for (const { task, accuracy, accuracyStd, knn, seconds, finetune: tuned } of evaluates) {
    if (task?.kind === 'transfer' && accuracy !== null && accuracyStd !== null && knn !== null)
      transfer.push({ dataset: task.name, digest: task.dataset, accuracy, accuracyStd, knn, seconds });
    if (task?.kind === 'finetune' && accuracy !== null && tuned)
      finetune.push({ share: task.share, accuracy, seconds, ...tuned });
  }
  const features = evaluates.find((evaluate) => evaluate.features)?.features;
  return {
    ...(transfer.length > 0 ? { transfer } : {}),
    ...(finetune.length > 0 ? { finetune } : {}),
    ...(features ? { features } : {}),
  };
}

/** Puts together what the run's stages have given so far: after the training, and again after the evaluation. */
export async function assembleResult(tx: Transaction, id: string): Promise<void> {
  const [found] = await tx.$queryRaw<Results[]>`
    WITH RECURSIVE before (id) AS (
      SELECT id FROM stage WHERE run_id = ${id} AND kind = 'train'
      UNION SELECT mine.dependency_id FROM stage_dependency AS mine JOIN before ON before.id = mine.stage_id
        WHERE mine.needed
    )
    SELECT train.result AS train, train.reused AS "trainReused", reduce.result AS reduce,
      (SELECT coalesce(sum((look.result->>'seconds')::float8), 0) FROM stage AS look JOIN before USING (id)
        WHERE look.kind IN ('appraise', 'choose')) AS "lookSeconds",
      (SELECT jsonb_agg(stage.result ORDER BY stage.position) FROM stage
        WHERE stage.run_id = train.run_id AND stage.kind = 'evaluate' AND stage.status = 'succeeded') AS evaluates
    FROM stage AS train
    LEFT JOIN stage AS reduce ON reduce.job_id = train.job_id AND reduce.kind = 'reduce'
      AND reduce.result_key = train.input->>'reduceKey'
    WHERE train.run_id = ${id} AND train.kind = 'train' LIMIT 1`;
  if (!found?.train) return;
  const { train, reduce } = found;
  const evaluates = found.evaluates ?? [];
  const evaluate = evaluates.find(({ task }) => task === undefined);
  const result: RunResult = {
    accuracy: evaluate?.accuracy ?? null,
    accuracyStd: evaluate?.accuracyStd ?? null,
    knn: evaluate?.knn ?? null,
    trainSeconds: train.seconds,
    priorSeconds: reduce ? found.lookSeconds + reduce.embedSeconds + reduce.seconds : 0,
    evaluateSeconds: evaluate?.seconds ?? null,
    steps: train.steps,
    switchStep: train.switchStep,
    flops: train.flops,
    finalLoss: train.finalLoss,
    waitShare: train.waitShare,
    model: train.model,
    weights: train.weights,
    engine: train.engine,
    kernels: train.kernels,
    ...(train.endedBy ? { endedBy: train.endedBy } : {}),
    ...(train.returned ? { returned: train.returned } : {}),
    ...(train.last ? { lastModel: train.last.model, lastWeights: train.last.weights } : {}),
    ...(train.best ? { best: bestOf(train.best) } : {}),
    ...(train.validations ? { validations: train.validations } : {}),
    ...furtherResults(evaluates),
  };
  await tx.run.update({ where: { id }, data: { result, reused: found.trainReused ?? false } });
}
