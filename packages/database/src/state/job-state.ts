/**
 * The state of a job; only this file changes it. It follows the job's stages and runs:
 *
 *     queued ──first stage claimed──▶ running ──all stages ended──▶ succeeded | failed (any run, or targets)
 *        ├────────cancel──────────────┼──no stage under way any more──▶ cancelled
 *        └────────pause───────────────┴──▶ paused ──resume──▶ queued | waiting | running, as it was
 *
 *     queued ──it needs something of other jobs──▶ waiting ──all of it has succeeded──▶ queued
 *                                                     └──some of it never will: failed. Cancel and pause as above
 *
 * From `succeeded`, `failed` and `cancelled` a job becomes queued where stages of it are sent again. Every change appends an event under the job's lock.
 */
import type { JobStatus, NewJobEvent } from '@rela/contracts';
import type { Transaction } from '../connection.js';
import { Prisma } from '../generated/client.js';
import { appendEvents } from './events.js';
import { cancelIdleRuns } from './run-state.js';

interface JobRow {
  status: JobStatus;
  error: string | null;
}

const jobEvent = ({ status, error }: JobRow): NewJobEvent => ({ type: 'job', status, error });

/** A new job is queued. */
export async function insertJob(
  tx: Transaction,
  job: Omit<Prisma.JobCreateManyInput, 'status'> & { id: string },
): Promise<void> {
  const status: JobStatus = 'queued';
  await tx.job.create({ data: { ...job, status } });
  await appendEvents(tx, job.id, [jobEvent({ status, error: null })]);
}

/** queued → running. */
export async function startJob(tx: Transaction, id: string): Promise<void> {
  const rows = await tx.$queryRaw<JobRow[]>`
    UPDATE job SET status = 'running', started_at = clock_timestamp()
    WHERE id = ${id} AND status = 'queued' RETURNING status, error`;
  await appendEvents(tx, id, rows.map(jobEvent));
}

/** Whether something that the job waits for has not been there yet. */
const WAITS = Prisma.sql`EXISTS (SELECT 1 FROM job_dependency WHERE job_dependency.job_id = job.id AND met_at IS NULL)`;

/** queued → waiting, where it waits for something. To be called before any of its stages is queued. */
export async function holdJob(tx: Transaction, id: string): Promise<void> {
  const rows = await tx.$queryRaw<JobRow[]>`
    UPDATE job SET status = 'waiting' WHERE id = ${id} AND status = 'queued' AND ${WAITS} RETURNING status, error`;
  await appendEvents(tx, id, rows.map(jobEvent));
}

/** waiting → queued: what it waited for is there. */
export async function releaseJob(tx: Transaction, id: string): Promise<void> {
  const rows = await tx.$queryRaw<JobRow[]>`
    UPDATE job SET status = 'queued' WHERE id = ${id} AND status = 'waiting' RETURNING status, error`;
  await appendEvents(tx, id, rows.map(jobEvent));
}

/** waiting → failed: what it waits for will not come. Its stages and runs have ended. */
export async function failWaitingJob(tx: Transaction, id: string, error: string): Promise<void> {
  const rows = await tx.$queryRaw<JobRow[]>`
    UPDATE job SET status = 'failed', error = ${error}, ended_at = clock_timestamp()
    WHERE id = ${id} AND status = 'waiting' RETURNING status, error`;
  await appendEvents(tx, id, rows.map(jobEvent));
}

/** queued | waiting | running → paused. Its last running stage may still end it. */
export async function pauseJob(tx: Transaction, id: string): Promise<void> {
  const rows = await tx.$queryRaw<JobRow[]>`
    UPDATE job SET status = 'paused' WHERE id = ${id} AND status IN ('queued', 'waiting', 'running') RETURNING status, error`;
  await appendEvents(tx, id, rows.map(jobEvent));
}

/** paused → queued | waiting | running, as it was. */
export async function resumeJob(tx: Transaction, id: string): Promise<void> {
  const rows = await tx.$queryRaw<JobRow[]>`
    UPDATE job SET status = CASE WHEN ${WAITS} THEN 'waiting' WHEN started_at IS NULL THEN 'queued' ELSE 'running' END
    WHERE id = ${id} AND status = 'paused' RETURNING status, error`;
  await appendEvents(tx, id, rows.map(jobEvent));
}

/** succeeded | failed | cancelled → queued. */
export async function reopenJob(tx: Transaction, id: string): Promise<void> {
  const rows = await tx.$queryRaw<JobRow[]>`
    UPDATE job SET status = 'queued', error = NULL, cancel_requested = false, started_at = NULL, ended_at = NULL
    WHERE id = ${id} AND status IN ('succeeded', 'failed', 'cancelled') RETURNING status, error`;
  await appendEvents(tx, id, rows.map(jobEvent));
}

/** Remembers the wish; the state changes when nothing of the job runs any more. */
export async function requestCancel(tx: Transaction, id: string): Promise<void> {
  await tx.job.update({ where: { id }, data: { cancelRequested: true } });
}

interface Standing {
  live: boolean;
  cancelRequested: boolean;
  cancelledRuns: number;
  failedRuns: { name: string; error: string | null }[];
  runs: number;
  /** The first of those that belong to no run. */
  failedStage: { kind: string; error: string | null } | null;
  cancelledStages: boolean;
}

/** queued | waiting | running | paused → its end, where every stage has ended. To be called after every end of a stage. */
export async function settleJob(tx: Transaction, id: string): Promise<void> {
  const [{ cancelRequested } = { cancelRequested: false }] = await tx.$queryRaw<
    { cancelRequested: boolean }[]
  >`SELECT cancel_requested AS "cancelRequested" FROM job WHERE id = ${id}`;
  if (cancelRequested) await cancelIdleRuns(tx, id);
  const [standing] = await tx.$queryRaw<Standing[]>`
    SELECT
      EXISTS (SELECT 1 FROM stage WHERE job_id = ${id} AND status IN ('waiting', 'queued', 'running', 'paused')) AS live,
      count(*)::int AS runs,
      count(*) FILTER (WHERE status = 'cancelled')::int AS "cancelledRuns",
      coalesce(jsonb_agg(jsonb_build_object('name', name, 'error', error) ORDER BY position)
        FILTER (WHERE status = 'failed'), '[]') AS "failedRuns",
      (SELECT jsonb_build_object('kind', kind, 'error', error) FROM stage
        WHERE job_id = ${id} AND run_id IS NULL AND status = 'failed' ORDER BY position LIMIT 1) AS "failedStage",
      EXISTS (SELECT 1 FROM stage WHERE job_id = ${id} AND status = 'cancelled') AS "cancelledStages"
    FROM run WHERE job_id = ${id}`;
  if (!standing || standing.live) return;
  const status = statusOf(standing, cancelRequested);
  const error = status === 'failed' ? failureOf(standing) : null;
  const rows = await tx.$queryRaw<JobRow[]>`
    UPDATE job SET status = ${status}, error = ${error}, ended_at = clock_timestamp()
    WHERE id = ${id} AND status IN ('queued', 'waiting', 'running', 'paused') RETURNING status, error`;
  await appendEvents(tx, id, rows.map(jobEvent));
}

/** A job whose runs had all ended when it was cancelled has not lost anything; one without runs makes targets alone. */
function statusOf(standing: Standing, cancelRequested: boolean): JobStatus {
  const { failedRuns, cancelledRuns, runs, failedStage, cancelledStages } = standing;
  if (cancelRequested && (runs === 0 ? cancelledStages : cancelledRuns > 0)) return 'cancelled';
  return failedRuns.length > 0 || failedStage !== null ? 'failed' : 'succeeded';
}

function failureOf({ failedRuns, runs, failedStage }: Standing): string {
  if (failedRuns.length > 0)
    return `${failedRuns.length} of ${runs} runs failed. ${failedRuns.map((run) => `${run.name}: ${run.error ?? ''}`).join(' ')}`;
  return `The targets failed at the stage ${failedStage?.kind}: ${failedStage?.error ?? ''}`;
}
