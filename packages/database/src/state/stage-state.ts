/**
 * The state of a stage; only this file changes it.
 *
 *     waiting ──dependencies succeeded───▶ queued ──claimed──▶ running ──▶ succeeded | failed
 *        │ ▲                                   │ ▲                  │ └──cancel heard──▶ cancelled
 *        │ │                                   │ ├─retry, lost lease, handed back
 *        │ │                job paused: paused ┴─┴─job resumed
 *        │ └─sent again, from succeeded | failed | cancelled
 *        └────job cancelled, dependency failed──▶ cancelled, from waiting | queued | paused
 *
 * While its job is paused, or waits for other jobs, nothing becomes queued: what runs is told by its heartbeat and becomes paused, what waits goes on waiting.
 * A dependency that is not `needed` only has to have ended, however it ended. Becoming `queued` raises `dispatch` and writes the message for the queue into the outbox; becoming `running` raises
 * `fence`, and every later write of that attempt has to carry it. The first new state behind `succeeded`, `failed` and `cancelled` is a wish
 * of a user's to make it again.
 * Every change of a job's stage appends an event to the job, whose lock the caller holds.
 */
import type { NewJobEvent, StageInput, StageKind, StageResult, StageStatus } from '@rela/contracts';
import type { Transaction } from '../connection.js';
import { Prisma } from '../generated/client.js';
import { appendEvents, wakeRelay } from './events.js';

export interface StageRow {
  id: string;
  jobId: string | null;
  runId: string | null;
  datasetId: string | null;
  position: number;
  kind: StageKind;
  status: StageStatus;
  resultKey: string;
  input: StageInput;
  reused: boolean;
  dispatch: number;
  fence: number;
  attempt: number;
  failures: number;
  cancelRequested: boolean;
  /** To be made anew although a result of equal key exists. */
  fresh: boolean;
  error: string | null;
}

/** Names one attempt: the stage, and the fencing number that its writes carry. */
export interface Attempt {
  stageId: string;
  fence: number;
}

const COLUMNS = Prisma.sql`
  stage.id, stage.job_id AS "jobId", stage.run_id AS "runId", stage.dataset_id AS "datasetId", stage.position,
  stage.kind, stage.status, stage.result_key AS "resultKey", stage.input, stage.reused, stage.dispatch, stage.fence,
  stage.attempt, stage.failures, stage.cancel_requested AS "cancelRequested", stage.fresh, stage.error`;

async function announce(tx: Transaction, rows: StageRow[]): Promise<StageRow[]> {
  rows.sort((a, b) => a.position - b.position);
  const jobId = rows[0]?.jobId;
  if (jobId)
    await appendEvents(
      tx,
      jobId,
      rows.map(
        ({ id, runId, kind, status, attempt, reused, error }): NewJobEvent => ({
          ...{ type: 'stage', stageId: id, runId, kind, status, attempt, reused, error },
        }),
      ),
    );
  return rows;
}

export async function readStage(tx: Transaction, id: string): Promise<StageRow | null> {
  const [row] = await tx.$queryRaw<StageRow[]>`SELECT ${COLUMNS} FROM stage WHERE id = ${id}`;
  return row ?? null;
}

/** New stages wait; those that need nothing are queued next. */
export async function insertStages(
  tx: Transaction,
  stages: Omit<Prisma.StageCreateManyInput, 'status'>[],
): Promise<void> {
  const status: StageStatus = 'waiting';
  await tx.stage.createMany({ data: stages.map((stage) => ({ ...stage, status })) });
}

/** Of a job of which nothing may start. */
const ofHeldJob = Prisma.sql`EXISTS (SELECT 1 FROM job WHERE job.id = stage.job_id AND job.status IN ('paused', 'waiting'))`;
const ofPausedJob = Prisma.sql`EXISTS (SELECT 1 FROM job WHERE job.id = stage.job_id AND job.status = 'paused')`;

/** waiting | paused → queued, for those that have just become possible or never had to wait. */
export async function queueStages(tx: Transaction, ids: string[]): Promise<void> {
  if (ids.length === 0) return;
  await announce(
    tx,
    await tx.$queryRaw<StageRow[]>`
      WITH queued AS (
        UPDATE stage SET status = 'queued', dispatch = dispatch + 1
        WHERE id = ANY(${ids}) AND status IN ('waiting', 'paused') AND NOT ${ofHeldJob} RETURNING *
      ), message AS (
        INSERT INTO outbox (stage_id, kind, dispatch) SELECT id, kind, dispatch FROM queued ORDER BY position
      )
      SELECT ${COLUMNS} FROM queued AS stage`,
  );
  await wakeRelay(tx);
}

/** waiting → queued, for the stages that `which` (a condition on the table `stage`) names and that nothing keeps any more. */
async function queuePossible(tx: Transaction, which: Prisma.Sql): Promise<void> {
  const possible = await tx.$queryRaw<{ id: string }[]>`
    SELECT stage.id FROM stage WHERE stage.status = 'waiting' AND ${which} AND NOT EXISTS (
      SELECT 1 FROM stage_dependency AS mine JOIN stage AS before ON before.id = mine.dependency_id
      WHERE mine.stage_id = stage.id AND before.status <> 'succeeded'
        AND (mine.needed OR before.status NOT IN ('failed', 'cancelled')))`;
  await queueStages(
    tx,
    possible.map((stage) => stage.id),
  );
}

/** Those that waited for `id`. */
export async function queueDependents(tx: Transaction, id: string): Promise<void> {
  await queuePossible(
    tx,
    Prisma.sql`stage.id IN (SELECT stage_id FROM stage_dependency WHERE dependency_id = ${id})`,
  );
}

/** Those of the job that nothing keeps any more: what came before them has ended otherwise than they waited for, or is to be made again. */
export async function queuePossibleOf(tx: Transaction, jobId: string): Promise<void> {
  await queuePossible(tx, Prisma.sql`stage.job_id = ${jobId}`);
}

/** queued → paused, for the job's stages; those that run hear of it by their heartbeat. The job is `paused`. */
export async function pauseStagesOfJob(tx: Transaction, jobId: string): Promise<void> {
  const rows = await tx.$queryRaw<StageRow[]>`
    UPDATE stage SET status = 'paused' WHERE job_id = ${jobId} AND status = 'queued' RETURNING ${COLUMNS}`;
  await tx.outbox.deleteMany({ where: { stageId: { in: rows.map(({ id }) => id) } } });
  await announce(tx, rows);
}

/** paused → queued, and what became possible meanwhile. The job is not `paused` any more. */
export async function resumeStagesOfJob(tx: Transaction, jobId: string): Promise<void> {
  const rows = await tx.$queryRaw<{ id: string }[]>`
    SELECT id FROM stage WHERE job_id = ${jobId} AND status = 'paused' ORDER BY position`;
  await queueStages(
    tx,
    rows.map(({ id }) => id),
  );
  await queuePossibleOf(tx, jobId);
}

/**
 * succeeded | failed | cancelled → waiting: those of the job that have failed or were cancelled, or else, `from` a stage or those of a kind,
 * these and all that builds on them, which are then made anew although results of equal keys exist. @returns what is to be made again
 */
export async function resetStages(tx: Transaction, jobId: string, from: string | null): Promise<StageRow[]> {
  const which =
    from === null
      ? Prisma.sql`status IN ('failed', 'cancelled')`
      : Prisma.sql`id IN (
          WITH RECURSIVE again (id) AS (
            SELECT id FROM stage WHERE job_id = ${jobId} AND (id = ${from} OR kind = ${from})
            UNION SELECT next.stage_id FROM stage_dependency AS next
              JOIN again ON next.dependency_id = again.id WHERE next.needed
          ) SELECT id FROM again)`;
  return announce(
    tx,
    await tx.$queryRaw<StageRow[]>`
      UPDATE stage SET status = 'waiting', result = NULL, reused = false, error = NULL, failures = 0, cancel_requested = false,
        dead_at = NULL, fresh = fresh OR ${from !== null}, started_at = NULL, ended_at = NULL
      WHERE job_id = ${jobId} AND status IN ('succeeded', 'failed', 'cancelled') AND ${which} RETURNING ${COLUMNS}`,
  );
}

/** failed → queued, of a stage without a job. */
export async function resetIngest(tx: Transaction, datasetId: string): Promise<void> {
  const rows = await tx.$queryRaw<{ id: string }[]>`
    UPDATE stage SET status = 'waiting', error = NULL, failures = 0, dead_at = NULL, started_at = NULL, ended_at = NULL
    WHERE dataset_id = ${datasetId} AND status = 'failed' RETURNING id`;
  await queueStages(
    tx,
    rows.map(({ id }) => id),
  );
}

/** queued → running, if `dispatch` is the newest message of the stage. @returns null where it is stale */
export async function claimStage(
  tx: Transaction,
  claim: { stageId: string; dispatch: number; worker: string; leaseSeconds: number },
): Promise<StageRow | null> {
  const rows = await tx.$queryRaw<StageRow[]>`
    UPDATE stage SET status = 'running', fence = fence + 1, attempt = attempt + 1, worker = ${claim.worker},
      lease_until = clock_timestamp() + make_interval(secs => ${claim.leaseSeconds}::float8),
      started_at = coalesce(started_at, clock_timestamp()), progress = NULL, error = NULL
    WHERE id = ${claim.stageId} AND dispatch = ${claim.dispatch} AND status = 'queued'
    RETURNING ${COLUMNS}`;
  // The message has arrived: from here on the lease stands for the stage.
  if (rows.length > 0) await tx.outbox.deleteMany({ where: { stageId: claim.stageId } });
  return (await announce(tx, rows))[0] ?? null;
}

/** running → succeeded. @returns null where another attempt has the stage */
export async function succeedStage(
  tx: Transaction,
  { stageId, fence }: Attempt,
  result: StageResult,
  reused: boolean,
): Promise<StageRow | null> {
  const rows = await tx.$queryRaw<StageRow[]>`
    UPDATE stage SET status = 'succeeded', result = ${JSON.stringify(result)}::jsonb, reused = ${reused}, fresh = false,
      lease_until = NULL, progress = NULL, error = NULL, ended_at = clock_timestamp()
    WHERE id = ${stageId} AND fence = ${fence} AND status = 'running' RETURNING ${COLUMNS}`;
  return (await announce(tx, rows))[0] ?? null;
}

/** running → failed. `isDead`: not by what it was given, but after as many tries as it may have. */
export async function failStage(
  tx: Transaction,
  { stageId, fence }: Attempt,
  { error, isDead }: { error: string; isDead: boolean },
): Promise<void> {
  await announce(
    tx,
    await tx.$queryRaw<StageRow[]>`
      UPDATE stage SET status = 'failed', failures = failures + 1, error = ${error}, lease_until = NULL,
        progress = NULL, ended_at = clock_timestamp(), dead_at = CASE WHEN ${isDead} THEN clock_timestamp() END
      WHERE id = ${stageId} AND fence = ${fence} AND status = 'running' RETURNING ${COLUMNS}`,
  );
}

export interface Requeue {
  error: string | null;
  /** Until the next try. */
  delaySeconds: number;
  /** An attempt that was handed back in good order counts neither as an attempt nor as a failure. */
  counted: boolean;
}

/** running → queued, under a new dispatch number; → paused where the job is. */
export async function requeueStage(
  tx: Transaction,
  { stageId, fence }: Attempt,
  { error, delaySeconds, counted }: Requeue,
): Promise<void> {
  await announce(
    tx,
    await tx.$queryRaw<StageRow[]>`
      WITH moved AS (
        UPDATE stage SET status = CASE WHEN ${ofPausedJob} THEN 'paused' ELSE 'queued' END,
          dispatch = dispatch + CASE WHEN ${ofPausedJob} THEN 0 ELSE 1 END, error = ${error},
          attempt = attempt - ${counted ? 0 : 1}, failures = failures + ${counted ? 1 : 0},
          lease_until = NULL, worker = NULL, progress = NULL
        WHERE id = ${stageId} AND fence = ${fence} AND status = 'running' RETURNING *
      ), message AS (
        INSERT INTO outbox (stage_id, kind, dispatch, available_at)
        SELECT id, kind, dispatch, clock_timestamp() + make_interval(secs => ${delaySeconds}::float8) FROM moved
        WHERE status = 'queued'
      )
      SELECT ${COLUMNS} FROM moved AS stage`,
  );
  await wakeRelay(tx);
}

/** running → cancelled: its worker has heard of it, or is gone. */
export async function endCancelledStage(tx: Transaction, { stageId, fence }: Attempt): Promise<void> {
  await announce(
    tx,
    await tx.$queryRaw<StageRow[]>`
      UPDATE stage SET status = 'cancelled', lease_until = NULL, progress = NULL, ended_at = clock_timestamp()
      WHERE id = ${stageId} AND fence = ${fence} AND status = 'running' RETURNING ${COLUMNS}`,
  );
}

/**
 * waiting | queued | paused → cancelled at once; to those that run, the wish is told by their next heartbeat.
 * `which` is a condition on the table `stage`. @returns how many rows it touched
 */
async function cancelWhere(tx: Transaction, which: Prisma.Sql, error: string | null): Promise<StageRow[]> {
  const told = await tx.$queryRaw<StageRow[]>`
    UPDATE stage SET cancel_requested = true
    WHERE status = 'running' AND NOT cancel_requested AND ${which} RETURNING ${COLUMNS}`;
  const ended = await tx.$queryRaw<StageRow[]>`
    UPDATE stage SET status = 'cancelled', error = ${error}, ended_at = clock_timestamp()
    WHERE status IN ('waiting', 'queued', 'paused') AND ${which} RETURNING ${COLUMNS}`;
  if (ended.length > 0) {
    await tx.outbox.deleteMany({ where: { stageId: { in: ended.map((stage) => stage.id) } } });
    await announce(tx, ended);
  }
  return [...told, ...ended];
}

/** Cancels everything of the job that has not ended. */
export async function cancelStagesOfJob(
  tx: Transaction,
  jobId: string,
  error: string | null = null,
): Promise<void> {
  await cancelWhere(tx, Prisma.sql`job_id = ${jobId}`, error);
}

/**
 * After a failure: cancels what needed the failed stage, the rest of the runs that are lost by it, and shared
 * stages that no other run needs. @returns ids of the runs that are lost
 */
export async function cancelAfterFailure(tx: Transaction, failed: StageRow): Promise<string[]> {
  const { id, jobId } = failed;
  if (!jobId) return [];
  const text = `${failed.kind} stage failed`;
  const doomed = await cancelWhere(
    tx,
    Prisma.sql`id IN (
      WITH RECURSIVE doomed (id) AS (
        SELECT stage_id FROM stage_dependency WHERE dependency_id = ${id} AND needed
        UNION SELECT next.stage_id FROM stage_dependency AS next JOIN doomed ON next.dependency_id = doomed.id
        WHERE next.needed
      ) SELECT id FROM doomed)`,
    text,
  );
  const runs = new Set([failed, ...doomed].map((stage) => stage.runId).filter((run) => run !== null));
  await cancelWhere(tx, Prisma.sql`run_id = ANY(${[...runs]})`, text);
  let touched: StageRow[];
  do {
    touched = await cancelWhere(
      tx,
      Prisma.sql`job_id = ${jobId} AND run_id IS NULL
        AND EXISTS (SELECT 1 FROM stage_dependency AS mine WHERE mine.dependency_id = stage.id AND mine.needed)
        AND NOT EXISTS (
          SELECT 1 FROM stage_dependency AS mine JOIN stage AS dependent ON dependent.id = mine.stage_id
          WHERE mine.dependency_id = stage.id AND mine.needed AND dependent.status NOT IN ('cancelled', 'failed')
            AND NOT dependent.cancel_requested)`,
      text,
    );
  } while (touched.length > 0);
  return [...runs];
}
