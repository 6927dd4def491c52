/** Runs: what they measured and how far they are. Their state: state/run-state.ts. */
import type { Run, RunMetric, RunStatus, StageInputOf, StageResultOf } from '@rela/contracts';
import type { Connection, Transaction } from '../connection.js';
import { appendEvents, lockJob } from '../state/events.js';
import type { Claim } from './claim.js';
import { fromJson } from './json.js';
import { readMetrics, writeMetrics } from './metrics.js';
import { toRun, WITH_CHECKPOINT } from './run-views.js';
import { ofOwnJob, type TenantScope } from './scope.js';

export interface StoredCheckpoint {
  step: number;
  digest: string;
  bytes: number;
  createdAt: string;
}

/** A run's training: what it was given, and what came of it. */
export interface RunTraining {
  run: Pick<Run, 'id' | 'name' | 'status'>;
  resultKey: string;
  input: StageInputOf<'train'>;
  /** Null before it has succeeded. */
  result: StageResultOf<'train'> | null;
}

/** The newest, and the one before in case the newest turns out to be damaged. */
const KEPT_CHECKPOINTS = 2;

/** Locks the claim's stage against being taken over until the transaction ends. @returns false where it already was */
async function holds(tx: Transaction, { stageId, fence }: Claim): Promise<boolean> {
  const rows = await tx.$queryRaw<unknown[]>`
    SELECT 1 AS one FROM stage WHERE id = ${stageId} AND fence = ${fence} AND status = 'running' FOR NO KEY UPDATE`;
  return rows.length > 0;
}

export function createRuns({ prisma, transaction }: Connection, tenant: TenantScope) {
  const own = ofOwnJob(tenant);

  return {
    async get(id: string): Promise<Run | null> {
      const row = await prisma.run.findFirst({ where: { id, ...own }, ...WITH_CHECKPOINT });
      return row && toRun(row);
    },

    /** What a run has trained, for runs that start from it. Null where there is no such run. */
    async training(id: string): Promise<RunTraining | null> {
      const row = await prisma.run.findFirst({
        where: { id, ...own },
        include: { stages: { where: { kind: 'train' }, take: 1 } },
      });
      const stage = row?.stages[0];
      if (!row || !stage) return null;
      return {
        run: { id: row.id, name: row.name, status: row.status as RunStatus },
        resultKey: stage.resultKey,
        input: fromJson<StageInputOf<'train'>>(stage.input),
        result: stage.result === null ? null : fromJson<StageResultOf<'train'>>(stage.result),
      };
    },

    /** Metrics in order of their steps, from the first behind `afterStep`. None of a run of another tenant. */
    async metrics(id: string, page: { afterStep: number; limit: number }): Promise<RunMetric[]> {
      if (tenant !== null && !(await prisma.run.findFirst({ where: { id, ...own }, select: { id: true } })))
        return [];
      return readMetrics(prisma, id, page);
    },

    /** Writes a batch; steps that an earlier attempt wrote are replaced. @returns false where the claim is lost */
    appendMetrics: (claim: Claim, metrics: RunMetric[]): Promise<boolean> =>
      writeMetrics(prisma, claim, metrics),

    /**
     * Tells the job's followers that the run switched to its method's loss. An attempt that goes on from a checkpoint
     * may say it again; it is told once. @returns false where the claim is lost
     */
    async recordSwitch(claim: Claim, step: number): Promise<boolean> {
      const { jobId, runId } = claim;
      if (jobId === null || runId === null) return false;
      return transaction(async (tx) => {
        await lockJob(tx, jobId);
        if (!(await holds(tx, claim))) return false;
        const told = await tx.jobEvent.count({
          where: { jobId, type: 'switch', payload: { equals: { runId, step } } },
        });
        if (told === 0) await appendEvents(tx, jobId, [{ type: 'switch', runId, step }]);
        return true;
      });
    },

    /**
     * Keeps the last two, or the final one alone: runs may go on from it. @returns digests of the artifacts that nothing refers to any more, to be removed; none where
     * the claim is lost
     */
    async saveCheckpoint(
      claim: Claim,
      { final = false, ...checkpoint }: { step: number; digest: string; bytes: number; final?: boolean },
    ): Promise<string[]> {
      const { jobId, runId, stageId } = claim;
      const { step } = checkpoint;
      return transaction(async (tx) => {
        if (jobId) await lockJob(tx, jobId);
        if (!(await holds(tx, claim))) return [];
        const newest = await tx.checkpoint.findFirst({ where: { stageId }, orderBy: { step: 'desc' } });
        const replaced = await tx.checkpoint.findUnique({ where: { stageId_step: { stageId, step } } });
        await tx.$executeRaw`
          INSERT INTO checkpoint (stage_id, step, digest, bytes)
          VALUES (${stageId}, ${step}, ${checkpoint.digest}, ${checkpoint.bytes})
          ON CONFLICT (stage_id, step) DO UPDATE SET digest = excluded.digest, bytes = excluded.bytes,
            created_at = excluded.created_at`;
        const old = await tx.checkpoint.findMany({
          where: { stageId },
          orderBy: { step: 'desc' },
          skip: final ? 1 : KEPT_CHECKPOINTS,
        });
        await tx.checkpoint.deleteMany({ where: { stageId, step: { in: old.map((row) => row.step) } } });
        if (!newest || step > newest.step) {
          // Work that got further than any attempt before it is no reason to give up after so many losses.
          await tx.stage.update({ where: { id: stageId }, data: { failures: 0 } });
          if (jobId && runId) await appendEvents(tx, jobId, [{ type: 'checkpoint', runId, step }]);
        }
        return unreferenced(
          tx,
          [...old, ...(replaced ? [replaced] : [])].map((row) => row.digest),
        );
      });
    },

    /** The newest checkpoint of a run, or of a stage. */
    async checkpoint(runOrStageId: string): Promise<StoredCheckpoint | null> {
      // Its stages first: asked for either in one condition, PostgreSQL reads every checkpoint there is.
      const stages = await prisma.stage.findMany({
        where: { runId: runOrStageId, kind: 'train' },
        select: { id: true },
      });
      const row = await prisma.checkpoint.findFirst({
        where: { stageId: { in: [runOrStageId, ...stages.map(({ id }) => id)] } },
        orderBy: { step: 'desc' },
      });
      if (!row) return null;
      const { step, digest, bytes, createdAt } = row;
      return { step, digest, bytes: Number(bytes), createdAt: createdAt.toISOString() };
    },

    /** Forgets the checkpoints of a stage that has succeeded. @returns digests of the artifacts to be removed */
    async dropCheckpoints(stageId: string): Promise<string[]> {
      return transaction(async (tx) => {
        const rows = await tx.checkpoint.findMany({ where: { stageId, stage: { status: 'succeeded' } } });
        await tx.checkpoint.deleteMany({ where: { stageId, step: { in: rows.map((row) => row.step) } } });
        return unreferenced(
          tx,
          rows.map((row) => row.digest),
        );
      });
    },
  };
}

async function unreferenced(tx: Transaction, digests: string[]): Promise<string[]> {
  const used = await tx.checkpoint.findMany({
    where: { digest: { in: digests } },
    select: { digest: true },
  });
  return [...new Set(digests)].filter((digest) => !used.some((row) => row.digest === digest));
}
