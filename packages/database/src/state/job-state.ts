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
import type { JobStatus, Labels, NewJobEvent } from '@rela/contracts';
import { among } from '../among.js';
import type { Statements, Transaction } from '../connection.js';
import { Prisma } from '../generated/client.js';
import { appendEvents, type EventOfJob } from './events.js';
import { keepSummary } from './job-summary.js';
import { cancelIdleRuns } from './run-state.js';

interface JobRow {
  status: JobStatus;
  error: string | null;
}

const jobEvent = ({ status, error }: JobRow): NewJobEvent => ({ type: 'job', status, error });

export interface NewJobRow {
  id: string;
  tenantId: string;
  name: string | null;
  datasetId: string;
  priorId: string | null;
  reuse: boolean;
  labels: Labels;
  priority: number;
  maxAttempts: number | null;
  attemptSeconds: number | null;
  scheduleId: string | null;
  dueAt: string | null;
}

/** New jobs are queued. @returns the events, which the caller appends */
export async function insertJobs(tx: Statements, jobs: NewJobRow[]): Promise<EventOfJob[]> {
  await tx.$queryRaw`
    INSERT INTO job (id, tenant_id, name, status, dataset_id, prior_id, reuse, labels, priority, max_attempts, attempt_seconds,
      schedule_id, due_at)
    SELECT id, "tenantId", name, 'queued', "datasetId", "priorId", reuse, labels, priority, "maxAttempts", "attemptSeconds",
      "scheduleId", "dueAt"
    FROM jsonb_to_recordset(${JSON.stringify(jobs)}::jsonb)
      AS one (id text, "tenantId" text, name text, "datasetId" text, "priorId" text, reuse boolean, labels jsonb, priority int, "maxAttempts" int,
        "attemptSeconds" float8, "scheduleId" text, "dueAt" timestamptz)`;
  return jobs.map(({ id }) => ({ jobId: id, event: jobEvent({ status: 'queued', error: null }) }));
}

/** queued → running. @returns the events, which the caller appends */
export async function startJobs(tx: Statements, ids: string[]): Promise<EventOfJob[]> {
  if (ids.length === 0) return [];
  const rows = await tx.$queryRaw<(JobRow & { id: string })[]>`
    UPDATE job SET status = 'running', started_at = clock_timestamp()
    WHERE id = ${among(ids)} AND status = 'queued' RETURNING id, status, error`;
  return rows.map((row) => ({ jobId: row.id, event: jobEvent(row) }));
}

/** Whether something that the job waits for has not been there yet. */
const WAITS = Prisma.sql`EXISTS (SELECT 1 FROM job_dependency WHERE job_dependency.job_id = job.id AND met_at IS NULL)`;

/** queued → waiting, for those that wait for something. To be called before any of their stages is queued. @returns the events, which the caller appends */
export async function holdJobs(tx: Statements, ids: string[]): Promise<EventOfJob[]> {
  const rows = await tx.$queryRaw<(JobRow & { id: string })[]>`
    UPDATE job SET status = 'waiting' WHERE id = ANY(${ids}) AND status = 'queued' AND ${WAITS}
    RETURNING id, status, error`;
  return rows.map((row) => ({ jobId: row.id, event: jobEvent(row) }));
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
  if (rows.length > 0) await keepSummary(tx, id);
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

/** Those of the jobs that have nothing more to come, or are to end before it: of these alone it has to be asked whether they have ended. */
export async function quietJobs(tx: Statements, ids: string[]): Promise<string[]> {
  if (ids.length === 0) return [];
  const rows = await tx.$queryRaw<{ id: string }[]>`
    SELECT id FROM job WHERE id = ANY(${ids}) AND (cancel_requested OR (
      SELECT id FROM stage WHERE stage.job_id = job.id AND stage.status IN ('waiting', 'queued', 'running', 'paused') LIMIT 1) IS NULL)
    ORDER BY id`;
  return rows.map(({ id }) => id);
}

/** → their end, for those of the jobs that have come to it. */
export async function settleJobs(tx: Statements, ids: string[]): Promise<void> {
  for (const id of await quietJobs(tx, ids)) await settleJob(tx, id);
}

/** queued | waiting | running | paused → its end, where every stage has ended. To be called after every end of a stage. */
export async function settleJob(tx: Statements, id: string): Promise<void> {
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
  if (rows.length > 0) await keepSummary(tx, id);
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
