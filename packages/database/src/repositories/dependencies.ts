/**
 * What jobs wait for: a run of another job, whose model becomes their prior, or all of another job. Only jobs that exist can be named, so
 * nothing waits for itself. A job that waits goes on, or fails, in a transaction of its own:
 *
 *     waiting ──all has succeeded──▶ queued, its dependencies met for good
 *        └──some failed, was cancelled or is gone──▶ failed; sent again, it waits again
 */
import type { JobStatus } from '@rela/contracts';
import type { Connection, Transaction } from '../connection.js';
import { Prisma } from '../generated/client.js';
import { lockJob } from '../state/events.js';
import { failWaitingJob, releaseJob } from '../state/job-state.js';
import { failRunsOfJob } from '../state/run-state.js';
import { cancelStagesOfJob } from '../state/stage-cancellation.js';
import { queuePossibleOf } from '../state/stage-portions.js';
import { giveModel } from './plan-rows.js';

/** Jobs that are looked at in one go. */
const AT_ONCE = 100;

/** What is waited for, as it stands. */
interface Needed {
  jobId: string;
  runId: string | null;
  name: string | null;
  /** Of the run, or of the whole job; null where it is not kept any more. */
  status: JobStatus | null;
  model: string | null;
}

const STATUS = Prisma.sql`CASE WHEN mine.needed_run_id IS NULL THEN needed.status ELSE run.status END`;
const NEEDED = Prisma.sql`
  job_dependency AS mine LEFT JOIN job AS needed ON needed.id = mine.needed_job_id
  LEFT JOIN run ON run.id = mine.needed_run_id AND run.job_id = mine.needed_job_id`;

async function neededOf(tx: Transaction, jobId: string): Promise<Needed[]> {
  return tx.$queryRaw<Needed[]>`
    SELECT mine.needed_job_id AS "jobId", mine.needed_run_id AS "runId", ${STATUS} AS status,
      CASE WHEN mine.needed_run_id IS NULL THEN needed.name ELSE run.name END AS name, run.result->>'model' AS model
    FROM ${NEEDED} WHERE mine.job_id = ${jobId} AND mine.met_at IS NULL ORDER BY mine.position`;
}

/** Why the job cannot go on; null where it may, or has to wait. */
function lossOf({ jobId, runId, name, status, model }: Needed): string | null {
  const named = (id: string) => (name === null ? id : `"${name}" (${id})`);
  const what =
    runId === null
      ? `Job ${named(jobId)}, which it comes after,`
      : `Run ${named(runId)} of job ${jobId}, whose model is its prior,`;
  if (status === null) return `${what} is not kept any more. Submit this job again without it.`;
  if (status === 'failed' || status === 'cancelled')
    return `${what} ${status === 'failed' ? 'failed' : 'was cancelled'}. Send this job again when that has succeeded.`;
  if (status === 'succeeded' && runId !== null && model === null) return `${what} has no model.`;
  return null;
}

async function fail(tx: Transaction, jobId: string, error: string): Promise<void> {
  await cancelStagesOfJob(tx, jobId, error);
  await failRunsOfJob(tx, jobId, error);
  await failWaitingJob(tx, jobId, error);
}

/** @returns whether anything became of it */
async function settle(tx: Transaction, jobId: string): Promise<boolean> {
  if (!(await lockJob(tx, jobId))) return false;
  const { status } = await tx.job.findUniqueOrThrow({ where: { id: jobId }, select: { status: true } });
  if (status !== 'waiting') return false;
  const needed = await neededOf(tx, jobId);
  const [loss] = needed.flatMap((one) => lossOf(one) ?? []);
  if (loss !== undefined) {
    await fail(tx, jobId, loss);
    return true;
  }
  if (needed.some((one) => one.status !== 'succeeded')) return false;
  await tx.jobDependency.updateMany({ where: { jobId, metAt: null }, data: { metAt: new Date() } });
  for (const { model, runId } of needed)
    if (runId !== null && model !== null) await giveModel(tx, jobId, model);
  await releaseJob(tx, jobId);
  await queuePossibleOf(tx, jobId);
  return true;
}

export function createDependencies({ prisma, transaction }: Connection) {
  return {
    /**
     * Lets the jobs go on, or fail, whose wait is over. May be called by several at once. What became of a job may end the wait of others:
     * to be called until nothing does.
     * @returns how many jobs went on or failed
     */
    async settle(): Promise<number> {
      const due = await prisma.$queryRaw<{ id: string }[]>`
        SELECT job.id FROM job WHERE job.status = 'waiting' AND (
          NOT EXISTS (SELECT 1 FROM ${NEEDED} WHERE mine.job_id = job.id AND mine.met_at IS NULL
            AND ${STATUS} IS DISTINCT FROM 'succeeded')
          OR EXISTS (SELECT 1 FROM ${NEEDED} WHERE mine.job_id = job.id AND mine.met_at IS NULL
            AND coalesce(${STATUS}, 'failed') IN ('failed', 'cancelled')))
        ORDER BY job.id LIMIT ${AT_ONCE}`;
      let count = 0;
      for (const { id } of due) if (await transaction((tx) => settle(tx, id))) count++;
      return count;
    },
  };
}
