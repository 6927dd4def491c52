/** Ends of stages that are not wanted any more: by a user's wish, or because something that they need has failed. The states: stage-state.ts. */
import type { Transaction } from '../connection.js';
import { Prisma } from '../generated/client.js';
import { type Attempt, announceStages, STAGE_COLUMNS, type StageRow } from './stage-state.js';

/** running → cancelled: its worker has heard of it, or is gone. */
export async function endCancelledStage(tx: Transaction, { stageId, fence }: Attempt): Promise<void> {
  await announceStages(
    tx,
    await tx.$queryRaw<StageRow[]>`
      UPDATE stage SET status = 'cancelled', lease_until = NULL, progress = NULL, ended_at = clock_timestamp()
      WHERE id = ${stageId} AND fence = ${fence} AND status = 'running' RETURNING ${STAGE_COLUMNS}`,
  );
}

/**
 * waiting | queued | paused → cancelled at once; to those that run, the wish is told by their next heartbeat.
 * `which` is a condition on the table `stage`. @returns how many rows it touched
 */
async function cancelWhere(tx: Transaction, which: Prisma.Sql, error: string | null): Promise<StageRow[]> {
  const told = await tx.$queryRaw<StageRow[]>`
    UPDATE stage SET cancel_requested = true
    WHERE status = 'running' AND NOT cancel_requested AND ${which} RETURNING ${STAGE_COLUMNS}`;
  const ended = await tx.$queryRaw<StageRow[]>`
    UPDATE stage SET status = 'cancelled', error = ${error}, ended_at = clock_timestamp()
    WHERE status IN ('waiting', 'queued', 'paused') AND ${which} RETURNING ${STAGE_COLUMNS}`;
  if (ended.length > 0) {
    await tx.outbox.deleteMany({ where: { stageId: { in: ended.map((stage) => stage.id) } } });
    await announceStages(tx, ended);
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
