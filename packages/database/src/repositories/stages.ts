/** Stages as workers use them: claim, keep, end. Their state: state/stage-state.ts. */
import type { JobStage, Page, Progress, StageResult } from '@rela/contracts';
import type { Connection, Transaction } from '../connection.js';
import { Prisma } from '../generated/client.js';
import { moveDataset } from '../state/dataset-state.js';
import { appendEventsOf, lockJobOf } from '../state/events.js';
import { settleJobs } from '../state/job-state.js';
import { failRuns, finishRun } from '../state/run-state.js';
import { cancelAfterFailure, endCancelledStage } from '../state/stage-cancellation.js';
import { queueDependents, queuePossibleOf } from '../state/stage-portions.js';
import {
  type Attempt,
  failStage,
  IS_RUNNING,
  readStage,
  requeueStage,
  type StageRow,
  stageEvents,
  succeedStages,
} from '../state/stage-state.js';
import { limitsOfStage } from './claim.js';
import { foreignCursor, type PageRequest, pageOf } from './paging.js';
import { ofOwnJob, type TenantScope } from './scope.js';
import { assertKind, createStageMoves, isPlain } from './stage-moves.js';
import { grantResults, type SucceedOptions, spreadResult } from './stage-results.js';
import { type Stage, toJobStage, toStage } from './stage-views.js';

export interface FailOptions {
  error: string;
  retryable: boolean;
  maxAttempts: number;
}

const LONGEST_BACKOFF_SECONDS = 60;
const LOST_AT_ONCE = 100;

function backoffSeconds(failures: number): number {
  return Math.min(LONGEST_BACKOFF_SECONDS, 2 ** failures);
}

/** The stage has failed for good: so have the runs that need it, and the others go on. */
async function giveUp(
  tx: Transaction,
  stage: StageRow,
  { error, isDead }: { error: string; isDead: boolean },
): Promise<void> {
  await failStage(tx, { stageId: stage.id, fence: stage.fence }, { error, isDead });
  if (stage.datasetId) await moveDataset(tx, stage.datasetId, 'failed', error);
  const lost = await cancelAfterFailure(tx, stage);
  const own = lost.filter((run) => run === stage.runId);
  await failRuns(tx, own, error);
  await failRuns(
    tx,
    lost.filter((run) => run !== stage.runId),
    `Its ${stage.kind} stage failed: ${error}`,
  );
  if (stage.jobId) {
    await queuePossibleOf(tx, stage.jobId);
    await settleJobs(tx, [stage.jobId]);
  }
}

async function tryAgain(
  tx: Transaction,
  stage: StageRow,
  how: Parameters<typeof requeueStage>[2],
): Promise<void> {
  await requeueStage(tx, { stageId: stage.id, fence: stage.fence }, how);
  if (stage.datasetId) await moveDataset(tx, stage.datasetId, 'queued');
}

export function createStages(
  { prisma, transaction, directly }: Connection,
  defaults: { maxAttempts: number },
  tenant: TenantScope,
) {
  const own = ofOwnJob(tenant);

  /** Runs `work` on the attempt's stage under its job's lock. @returns null where there is no such stage */
  async function onAttempt<T>(
    { stageId }: { stageId: string },
    work: (tx: Transaction, stage: StageRow) => Promise<T>,
  ): Promise<T | null> {
    return transaction(async (tx) => {
      await lockJobOf(tx, stageId);
      const stage = await readStage(tx, stageId);
      return stage && work(tx, stage);
    });
  }

  const { claim, end } = createStageMoves(directly);

  async function endCancelled(tx: Transaction, stage: StageRow): Promise<void> {
    await endCancelledStage(tx, { stageId: stage.id, fence: stage.fence });
    if (stage.jobId) await settleJobs(tx, [stage.jobId]);
  }

  return {
    /**
     * queued → running for one worker. @returns null where the message is stale: done, cancelled, taken, or overtaken
     * by a newer message
     */
    claim,

    /** Renews the lease. All but `ok` tell the worker to stop; after `lost` nothing it writes counts, at `paused` it is to hand the stage back. */
    async heartbeat(
      claim: Attempt,
      beat: { leaseSeconds: number; progress?: Progress },
    ): Promise<'ok' | 'cancelled' | 'paused' | 'lost'> {
      const progress = beat.progress
        ? Prisma.sql`${JSON.stringify(beat.progress)}::jsonb`
        : Prisma.sql`progress`;
      const rows = await prisma.$queryRaw<{ cancelRequested: boolean; paused: boolean }[]>`
        UPDATE stage SET progress = ${progress},
          lease_until = clock_timestamp() + make_interval(secs => ${beat.leaseSeconds}::float8)
        WHERE id = ${claim.stageId} AND fence = ${claim.fence} AND status = 'running'
        RETURNING cancel_requested AS "cancelRequested",
          EXISTS (SELECT 1 FROM job WHERE job.id = stage.job_id AND job.status = 'paused') AS paused`;
      if (!rows[0]) return 'lost';
      if (rows[0].cancelRequested) return 'cancelled';
      return rows[0].paused ? 'paused' : 'ok';
    },

    /**
     * Stores the result and moves everything along that waited for it. May be called again with the same claim.
     * @returns false where another attempt has the stage, or it was cancelled: the result counts for nothing
     */
    async succeed(claim: Attempt, result: StageResult, options: SucceedOptions = {}): Promise<boolean> {
      const { reused = false, facts } = options;
      const { stageId, fence } = claim;
      const ending = { stageId, fence, result, reused };
      if (isPlain(result)) return end(ending);
      const kept = await onAttempt(claim, async (tx, seen) => {
        if (seen.status === 'succeeded' && seen.fence === claim.fence) return true;
        assertKind(seen, result);
        const [stage] = await succeedStages(tx, [ending]);
        if (!stage) return false;
        await appendEventsOf(tx, stageEvents([stage]));
        await grantResults(tx, [{ stage, result }]);
        await spreadResult(tx, stage, result, facts);
        await queueDependents(tx, [stage.id]);
        if (stage.runId) await finishRun(tx, stage.runId);
        if (stage.jobId) await settleJobs(tx, [stage.jobId]);
        return true;
      });
      return kept ?? false;
    },

    /**
     * Ends an attempt that went wrong: queued again after a pause, or failed where another try is pointless or was
     * made often enough. May be called again with the same claim.
     */
    async fail(claim: Attempt, options: FailOptions): Promise<'requeued' | 'failed' | 'cancelled' | 'lost'> {
      const { error, retryable, maxAttempts } = options;
      const state = await onAttempt(claim, async (tx, stage) => {
        if (stage.fence !== claim.fence) return 'lost';
        if (stage.status === 'failed') return 'failed';
        if (stage.status === 'cancelled') return 'cancelled';
        if (stage.status === 'queued' || stage.status === 'paused') return 'requeued';
        if (stage.status !== 'running') return 'lost';
        if (stage.cancelRequested) {
          await endCancelled(tx, stage);
          return 'cancelled';
        }
        if (retryable && stage.failures + 1 < maxAttempts) {
          await tryAgain(tx, stage, { error, delaySeconds: backoffSeconds(stage.failures), counted: true });
          return 'requeued';
        }
        await giveUp(tx, stage, { error, isDead: retryable });
        return 'failed';
      });
      return state ?? 'lost';
    },

    /** Hands the stage back at a shutdown or a pause; the attempt does not count. */
    async release(claim: Attempt): Promise<void> {
      await onAttempt(claim, async (tx, stage) => {
        if (stage.fence !== claim.fence || stage.status !== 'running') return;
        if (stage.cancelRequested) await endCancelled(tx, stage);
        else await tryAgain(tx, stage, { error: null, delaySeconds: 0, counted: false });
      });
    },

    /** Takes back the stages whose lease has run out. @returns how many */
    async requeueLost(options: { maxAttempts?: number } = {}): Promise<number> {
      const maxAttempts = options.maxAttempts ?? defaults.maxAttempts;
      const lost = await prisma.$queryRaw<{ stageId: string }[]>`
        SELECT id AS "stageId" FROM stage WHERE ${IS_RUNNING} AND lease_until < statement_timestamp()
        ORDER BY lease_until LIMIT ${LOST_AT_ONCE}`;
      let count = 0;
      for (const { stageId } of lost) {
        const taken = await onAttempt({ stageId }, async (tx, stage) => {
          if (!(await leaseHasRunOut(tx, stageId))) return false;
          const most = (await limitsOfStage(tx, stage)).attempts ?? maxAttempts;
          const error = `Its worker was lost: no sign of life before the lease ran out (attempt ${stage.attempt}).`;
          if (stage.cancelRequested) await endCancelled(tx, stage);
          else if (stage.failures + 1 >= most) await giveUp(tx, stage, { error, isDead: true });
          else await tryAgain(tx, stage, { error, delaySeconds: 0, counted: true });
          return true;
        });
        if (taken) count++;
      }
      return count;
    },

    async get(id: string): Promise<Stage | null> {
      const row = await prisma.stage.findUnique({ where: { id } });
      return row && toStage(row);
    },

    /** Those of a job in the order of the plan; the cursor is the id of the last one of the page before. */
    async page(jobId: string, { limit, cursor }: PageRequest): Promise<Page<JobStage>> {
      const last = cursor
        ? await prisma.stage.findFirst({ where: { id: cursor, jobId, ...own }, select: { position: true } })
        : { position: -1 };
      if (!last) throw foreignCursor();
      const rows = await prisma.stage.findMany({
        where: { jobId, position: { gt: last.position }, ...own },
        orderBy: { position: 'asc' },
        take: limit + 1,
        omit: { input: true, result: true },
      });
      return pageOf(rows, limit, toJobStage);
    },

    /** In the order of the plan. */
    async listByJob(jobId: string): Promise<Stage[]> {
      const rows = await prisma.stage.findMany({ where: { jobId }, orderBy: { position: 'asc' } });
      return rows.map(toStage);
    },
  };
}

/** Locks the row too: from here to the end of the transaction no heartbeat can renew the lease. */
async function leaseHasRunOut(tx: Transaction, stageId: string): Promise<boolean> {
  const rows = await tx.$queryRaw<unknown[]>`
    SELECT 1 AS one FROM stage
    WHERE id = ${stageId} AND status = 'running' AND lease_until < clock_timestamp() FOR NO KEY UPDATE`;
  return rows.length > 0;
}
