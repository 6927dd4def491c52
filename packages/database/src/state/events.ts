/** Appending to a job's events: the sequence is allotted under the job row's lock, so readers never see a gap. */
import type { JobStatus, NewJobEvent } from '@rela/contracts';
import type { Statements, Transaction } from '../connection.js';
import { Prisma } from '../generated/client.js';
import { insertDeliveries, type Told } from './delivery-state.js';

/** Payload: the job's id. */
export const EVENT_CHANNEL = 'rela_event';
/** Payload: empty; there is something to send. */
export const OUTBOX_CHANNEL = 'rela_outbox';
/** Payload: empty; a schedule was made, changed or removed. */
export const SCHEDULE_CHANNEL = 'rela_schedule';

/** Payload: the digest of a secret that is accepted no more. */
export const KEY_CHANNEL = 'rela_key';

/**
 * Every transaction that changes a job, its runs or its stages takes this lock first, and so has the same order of
 * locks as every other. @returns false where there is no such job
 */
export async function lockJob(tx: Transaction, jobId: string): Promise<boolean> {
  // NO KEY: rows that merely refer to the job (metrics, events) do not wait for it.
  const rows = await tx.$queryRaw<unknown[]>`SELECT 1 AS one FROM job WHERE id = ${jobId} FOR NO KEY UPDATE`;
  return rows.length > 0;
}

/** What those who hold a job's lock know of it. */
export interface LockedJob {
  id: string;
  tenantId: string;
  status: JobStatus;
  reuse: boolean;
  maxAttempts: number | null;
  attemptSeconds: number | null;
  /** Position from which stages may wait that nothing keeps: queueNextOf. */
  possibleFrom: number | null;
}

type Nullable<T> = { [K in keyof T]: T[K] | null };

/**
 * Locks the jobs of stages. One that somebody else holds is waited for where `waits`, and passed over otherwise: who already holds a lock
 * waits for none.
 * @returns by id of the stage: its job, null of one that has none, and the ids of jobs that were passed over
 */
export async function lockJobsOf(
  tx: Statements,
  stageIds: string[],
  { waits }: { waits: boolean },
): Promise<{ free: Map<string, LockedJob | null>; held: Map<string, string> }> {
  const how = waits ? Prisma.empty : Prisma.sql`SKIP LOCKED`;
  const rows = await tx.$queryRaw<({ stageId: string; jobId: string | null } & Nullable<LockedJob>)[]>`
    WITH mine AS (SELECT id, job_id FROM stage WHERE id = ANY(${stageIds})),
    locked AS (
      SELECT id, tenant_id, status, reuse, max_attempts, attempt_seconds, possible_from FROM job
      WHERE id IN (SELECT job_id FROM mine) ORDER BY id FOR NO KEY UPDATE ${how}
    )
    SELECT mine.id AS "stageId", mine.job_id AS "jobId", locked.id, locked.tenant_id AS "tenantId", locked.status, locked.reuse,
      locked.max_attempts AS "maxAttempts", locked.attempt_seconds AS "attemptSeconds", locked.possible_from AS "possibleFrom"
    FROM mine LEFT JOIN locked ON locked.id = mine.job_id`;
  const free = new Map<string, LockedJob | null>();
  const held = new Map<string, string>();
  for (const { stageId, jobId, ...job } of rows)
    if (jobId === null) free.set(stageId, null);
    else if (job.id === null) held.set(stageId, jobId);
    else free.set(stageId, job as LockedJob);
  return { free, held };
}

/** The same for the job of one stage, waited for. Does nothing for an `ingest` stage, which has none. */
export async function lockJobOf(tx: Transaction, stageId: string): Promise<void> {
  await tx.$queryRaw`
    SELECT 1 AS one FROM job WHERE id = (SELECT job_id FROM stage WHERE id = ${stageId}) FOR NO KEY UPDATE`;
}

/** An event, and whose it is. */
export interface EventOfJob {
  jobId: string;
  event: NewJobEvent;
}

/** Events a statement: as JSON they are some 200 bytes each. */
const EVENTS_AT_ONCE = 20_000;

/**
 * Appends `news`, those of a job in this order, with a delivery for each webhook that is told of them, and wakes those who listen; all of it
 * becomes visible when the transaction commits. The caller holds the locks of the jobs. Which webhooks are told is said by the same statement:
 * where there are none, it is the only one.
 */
export async function appendEventsOf(tx: Statements, news: EventOfJob[]): Promise<void> {
  const told: Told[] = [];
  for (let start = 0; start < news.length; start += EVENTS_AT_ONCE) {
    // The lock of a webhook: it is not removed before the deliveries that refer to it are there.
    const rows = await tx.$queryRaw<{ told: Told[] | null }[]>`
      WITH news AS (
        SELECT value->>'jobId' AS job_id, value->'event' AS event,
          row_number() OVER (PARTITION BY value->>'jobId' ORDER BY ordinality)::int AS place
        FROM jsonb_array_elements(${JSON.stringify(news.slice(start, start + EVENTS_AT_ONCE))}::jsonb) WITH ORDINALITY
      ), place AS (
        UPDATE job SET event_sequence = event_sequence + added.count
        FROM (SELECT job_id, count(*)::int AS count FROM news GROUP BY job_id) AS added WHERE job.id = added.job_id
        RETURNING job.id, event_sequence - added.count AS last, job.labels, job.tenant_id
      ), appended AS (
        INSERT INTO job_event (job_id, sequence, type, payload)
        SELECT news.job_id, place.last + news.place, event->>'type', event - 'type'
        FROM news JOIN place ON place.id = news.job_id
        RETURNING job_id, sequence, type, payload, at
      ), told AS (
        SELECT webhook.id AS "webhookId", appended.job_id AS "jobId", appended.sequence, appended.type, appended.payload,
          appended.at
        FROM appended JOIN place ON place.id = appended.job_id JOIN webhook ON webhook.tenant_id = place.tenant_id
        WHERE webhook.enabled AND webhook.events @> to_jsonb(concat(appended.type, '.', appended.payload->>'status'))
          AND place.labels @> webhook.labels
        FOR KEY SHARE OF webhook
      )
      SELECT pg_notify(${EVENT_CHANNEL}, id)::text AS notified,
        CASE WHEN row_number() OVER () = 1 THEN (SELECT jsonb_agg(told) FROM told) END AS told FROM place`;
    told.push(...rows.flatMap((row) => row.told ?? []));
  }
  if (told.length > 0) await insertDeliveries(tx, told);
}

/** The same for one job. */
export const appendEvents = (tx: Statements, jobId: string, events: NewJobEvent[]): Promise<void> =>
  appendEventsOf(
    tx,
    events.map((event) => ({ jobId, event })),
  );

export async function wakeRelay(tx: Statements): Promise<void> {
  await tx.$queryRaw`SELECT pg_notify(${OUTBOX_CHANNEL}, '')::text AS notified`;
}

export async function wakeSchedules(tx: Transaction): Promise<void> {
  await tx.$queryRaw`SELECT pg_notify(${SCHEDULE_CHANNEL}, '')::text AS notified`;
}
