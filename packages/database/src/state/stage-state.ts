/**
 * The state of a stage; only this file changes it, and stage-cancellation.ts beside it, which ends what is not wanted any more.
 * Which stages may be queued is found by stage-portions.ts.
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
import type { Statements, Transaction } from '../connection.js';
import { Prisma } from '../generated/client.js';
import { appendEventsOf, type EventOfJob, OUTBOX_CHANNEL, wakeRelay } from './events.js';

export interface StageRow {
  id: string;
  tenantId: string;
  jobId: string | null;
  runId: string | null;
  datasetId: string | null;
  position: number;
  kind: StageKind;
  status: StageStatus;
  resultKey: string;
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

/** With what it is to work on, which of a `reduce` stage names every shard. */
export interface ClaimedStage extends StageRow {
  input: StageInput;
}

/** Names one attempt: the stage, and the fencing number that its writes carry. */
export interface Attempt {
  stageId: string;
  fence: number;
}

export const STAGE_COLUMNS = Prisma.sql`
  stage.id, stage.tenant_id AS "tenantId", stage.job_id AS "jobId", stage.run_id AS "runId", stage.dataset_id AS "datasetId", stage.position,
  stage.kind, stage.status, stage.result_key AS "resultKey", stage.reused, stage.dispatch, stage.fence,
  stage.attempt, stage.failures, stage.cancel_requested AS "cancelRequested", stage.fresh, stage.error`;

/**
 * The status, in a form that no partial index fits: where stages are named by their ids, a planner whose statistics are old would rather go
 * through all that are queued, of which there may be a hundred thousand.
 */
export const STATUS = Prisma.sql`(stage.status || '')`;

/**
 * Runs, and so has a lease: of those there is an index. A status that an index fits would fit the one of all stages that have not ended too, and
 * a planner that made its plan when these were few goes through all that wait; by the lease alone it would expect all stages.
 */
export const IS_RUNNING = Prisma.sql`${STATUS} = 'running' AND stage.lease_until > '-infinity'`;

/** What there is to tell of stages, in the order of the plan; nothing of those without a job. */
export function stageEvents(rows: StageRow[]): EventOfJob[] {
  return rows
    .toSorted((a, b) => a.position - b.position)
    .flatMap(({ id, jobId, runId, kind, status, attempt, reused, error }) => {
      const event: NewJobEvent = {
        ...{ type: 'stage', stageId: id, runId, kind, status, attempt, reused, error },
      };
      return jobId === null ? [] : [{ jobId, event }];
    });
}

export async function announceStages<Row extends StageRow>(tx: Statements, rows: Row[]): Promise<Row[]> {
  rows.sort((a, b) => a.position - b.position);
  await appendEventsOf(tx, stageEvents(rows));
  return rows;
}

export async function readStage(tx: Statements, id: string): Promise<StageRow | null> {
  const [row] = await tx.$queryRaw<StageRow[]>`SELECT ${STAGE_COLUMNS} FROM stage WHERE id = ${id}`;
  return row ?? null;
}

/** What the stage is to work on. */
export async function readInput(tx: Statements, id: string): Promise<StageInput> {
  const [row] = await tx.$queryRaw<{ input: StageInput }[]>`SELECT input FROM stage WHERE id = ${id}`;
  if (!row) throw new Error(`There is no stage ${id}.`);
  return row.input;
}

/** Of a job, or of a dataset. */
export type NewStage = Pick<
  ClaimedStage,
  'id' | 'jobId' | 'runId' | 'datasetId' | 'position' | 'kind' | 'resultKey' | 'input'
>;

/** New stages wait; those that need nothing are queued next. */
export async function insertStages(tx: Statements, stages: NewStage[]): Promise<void> {
  await tx.$queryRaw`
    INSERT INTO stage (id, tenant_id, job_id, run_id, dataset_id, position, kind, status, result_key, input)
    SELECT id, coalesce((SELECT tenant_id FROM job WHERE job.id = "jobId"), (SELECT tenant_id FROM dataset WHERE dataset.id = "datasetId")),
      "jobId", "runId", "datasetId", position, kind, 'waiting', "resultKey", input
    FROM jsonb_to_recordset(${JSON.stringify(stages)}::jsonb)
      AS one (id text, "jobId" text, "runId" text, "datasetId" text, position int, kind text, "resultKey" text, input jsonb)`;
}

/** How urgent a stage is, for its message. */
const priorityOf = (stage: 'queued' | 'moved'): Prisma.Sql =>
  Prisma.sql`coalesce((SELECT priority FROM job WHERE job.id = ${Prisma.raw(stage)}.job_id), 0)`;

/** Of a job of which nothing may start. */
const ofHeldJob = Prisma.sql`EXISTS (SELECT 1 FROM job WHERE job.id = stage.job_id AND job.status IN ('paused', 'waiting'))`;
const ofPausedJob = Prisma.sql`EXISTS (SELECT 1 FROM job WHERE job.id = stage.job_id AND job.status = 'paused')`;

/** waiting | paused → queued, for those that have just become possible or never had to wait. @returns what the caller has to tell of */
export async function queueRows(tx: Statements, ids: string[]): Promise<StageRow[]> {
  if (ids.length === 0) return [];
  return tx.$queryRaw<StageRow[]>`
    WITH queued AS (
      UPDATE stage SET status = 'queued', dispatch = dispatch + 1
      WHERE id = ANY(${ids}) AND ${STATUS} IN ('waiting', 'paused') AND NOT ${ofHeldJob} RETURNING *
    ), message AS (
      INSERT INTO outbox (stage_id, kind, dispatch, tenant_id, priority)
      SELECT id, kind, dispatch, tenant_id, ${priorityOf('queued')} FROM queued ORDER BY position
    )
    SELECT ${STAGE_COLUMNS}, pg_notify(${OUTBOX_CHANNEL}, '')::text AS woken FROM queued AS stage`;
}

/** The same, and tells of it. */
export async function queueStages(tx: Statements, ids: string[]): Promise<void> {
  await announceStages(tx, await queueRows(tx, ids));
}

/** queued → paused, for the job's stages; those that run hear of it by their heartbeat. The job is `paused`. */
export async function pauseStagesOfJob(tx: Transaction, jobId: string): Promise<void> {
  const rows = await tx.$queryRaw<StageRow[]>`
    UPDATE stage SET status = 'paused' WHERE job_id = ${jobId} AND status = 'queued' RETURNING ${STAGE_COLUMNS}`;
  await tx.outbox.deleteMany({ where: { stageId: { in: rows.map(({ id }) => id) } } });
  await announceStages(tx, rows);
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
  return announceStages(
    tx,
    await tx.$queryRaw<StageRow[]>`
      UPDATE stage SET status = 'waiting', blocked_by = NULL, result = NULL, reused = false, error = NULL, failures = 0, cancel_requested = false,
        dead_at = NULL, fresh = fresh OR ${from !== null}, started_at = NULL, ended_at = NULL
      WHERE job_id = ${jobId} AND status IN ('succeeded', 'failed', 'cancelled') AND ${which} RETURNING ${STAGE_COLUMNS}`,
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

/** The message by which a stage is asked for. */
export const messageOf = ({ stageId, dispatch }: Pick<ClaimRequest, 'stageId' | 'dispatch'>): string =>
  `${stageId}.${dispatch}`;

export const attemptOf = ({ stageId, fence }: Attempt): string => `${stageId}.${fence}`;

/**
 * As one JSON object, by the stage and the number that a row has to have. A statement looks up in it what belongs to a row: to join the rows with
 * as many records it might go through all of these for each of them.
 */
const keyed = <T>(items: T[], keyOf: (item: T) => string): string =>
  JSON.stringify(Object.fromEntries(items.map((item) => [keyOf(item), item])));

/** What a worker asks for that got a message. */
export interface ClaimRequest {
  stageId: string;
  dispatch: number;
  worker: string;
  leaseSeconds: number;
  /** What the worker computes on; `cpu` where it does not say. */
  device?: 'cpu' | 'gpu';
}

/**
 * queued → running, for those whose `dispatch` is the newest message of their stage. No two may be of the same stage and message.
 * @returns in no order; the caller appends what there is to tell
 */
export async function claimStages(tx: Statements, requests: ClaimRequest[]): Promise<ClaimedStage[]> {
  const request = Prisma.sql`(SELECT all_of_them FROM request) -> (stage.id || '.' || stage.dispatch)`;
  // The message has arrived: from here on the lease stands for the stage.
  return tx.$queryRaw<ClaimedStage[]>`
    WITH request AS (SELECT ${keyed(requests, messageOf)}::jsonb AS all_of_them),
    claimed AS (
      UPDATE stage SET status = 'running', fence = fence + 1, attempt = attempt + 1, worker = ${request} ->> 'worker',
        lease_until = clock_timestamp() + make_interval(secs => (${request} ->> 'leaseSeconds')::float8),
        started_at = coalesce(started_at, clock_timestamp()), claimed_at = clock_timestamp(),
        device = coalesce(${request} ->> 'device', 'cpu'), progress = NULL, error = NULL
      WHERE id = ANY(${requests.map(({ stageId }) => stageId)}) AND ${STATUS} = 'queued' AND ${request} IS NOT NULL
      RETURNING *
    ), gone AS (
      DELETE FROM outbox WHERE stage_id = ANY(ARRAY(SELECT id FROM claimed))
    )
    SELECT ${STAGE_COLUMNS}, stage.input FROM claimed AS stage`;
}

/** What an attempt has given. */
export interface Ending extends Attempt {
  result: StageResult;
  /** The result is an earlier one of equal key. */
  reused: boolean;
}

/**
 * running → succeeded, and their results are kept for others: one that was computed again replaces the old one, whose artifacts were gone or
 * which nobody wanted. @returns those that another attempt has not; the caller appends what there is to tell
 */
export async function succeedStages(tx: Statements, endings: Ending[]): Promise<StageRow[]> {
  const ending = Prisma.sql`(SELECT all_of_them FROM ending) -> (stage.id || '.' || stage.fence)`;
  return tx.$queryRaw<StageRow[]>`
    WITH ending AS (SELECT ${keyed(endings, attemptOf)}::jsonb AS all_of_them),
    done AS (
      UPDATE stage SET status = 'succeeded', result = ${ending} -> 'result', reused = (${ending} ->> 'reused')::boolean, fresh = false,
        lease_until = NULL, progress = NULL, error = NULL, ended_at = clock_timestamp()
      WHERE id = ANY(${endings.map(({ stageId }) => stageId)}) AND ${STATUS} = 'running' AND kind = ${ending} -> 'result' ->> 'kind'
      RETURNING *
    ), kept AS (
      INSERT INTO stage_result (tenant_id, result_key, kind, result)
      SELECT DISTINCT ON (tenant_id, result_key) tenant_id, result_key, kind, result FROM (
        SELECT tenant_id, result_key, kind, result FROM done WHERE NOT reused
      ) AS fresh ORDER BY tenant_id, result_key
      ON CONFLICT (tenant_id, result_key) DO UPDATE SET kind = excluded.kind, result = excluded.result,
        created_at = clock_timestamp(), used_at = clock_timestamp()
    )
    SELECT ${STAGE_COLUMNS} FROM done AS stage`;
}

/** running → failed. `isDead`: not by what it was given, but after as many tries as it may have. */
export async function failStage(
  tx: Transaction,
  { stageId, fence }: Attempt,
  { error, isDead }: { error: string; isDead: boolean },
): Promise<void> {
  await announceStages(
    tx,
    await tx.$queryRaw<StageRow[]>`
      UPDATE stage SET status = 'failed', failures = failures + 1, error = ${error}, lease_until = NULL,
        progress = NULL, ended_at = clock_timestamp(), dead_at = CASE WHEN ${isDead} THEN clock_timestamp() END
      WHERE id = ${stageId} AND fence = ${fence} AND status = 'running' RETURNING ${STAGE_COLUMNS}`,
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
  await announceStages(
    tx,
    await tx.$queryRaw<StageRow[]>`
      WITH moved AS (
        UPDATE stage SET status = CASE WHEN ${ofPausedJob} THEN 'paused' ELSE 'queued' END,
          dispatch = dispatch + CASE WHEN ${ofPausedJob} THEN 0 ELSE 1 END, error = ${error},
          attempt = attempt - ${counted ? 0 : 1}, failures = failures + ${counted ? 1 : 0},
          lease_until = NULL, worker = NULL, progress = NULL
        WHERE id = ${stageId} AND fence = ${fence} AND status = 'running' RETURNING *
      ), message AS (
        INSERT INTO outbox (stage_id, kind, dispatch, available_at, tenant_id, priority)
        SELECT id, kind, dispatch, clock_timestamp() + make_interval(secs => ${delaySeconds}::float8), tenant_id,
          ${priorityOf('moved')}
        FROM moved WHERE status = 'queued'
      )
      SELECT ${STAGE_COLUMNS} FROM moved AS stage`,
  );
  await wakeRelay(tx);
}
