/** Appending to a job's events: the sequence is allotted under the job row's lock, so readers never see a gap. */
import type { NewJobEvent } from '@rela/contracts';
import type { Transaction } from '../connection.js';

/** Payload: the job's id. */
export const EVENT_CHANNEL = 'rela_event';
/** Payload: empty; there is something to send. */
export const OUTBOX_CHANNEL = 'rela_outbox';
/** Payload: empty; a schedule was made, changed or removed. */
export const SCHEDULE_CHANNEL = 'rela_schedule';

/**
 * Every transaction that changes a job, its runs or its stages takes this lock first, and so has the same order of
 * locks as every other. @returns false where there is no such job
 */
export async function lockJob(tx: Transaction, jobId: string): Promise<boolean> {
  // NO KEY: rows that merely refer to the job (metrics, events) do not wait for it.
  const rows = await tx.$queryRaw<unknown[]>`SELECT 1 AS one FROM job WHERE id = ${jobId} FOR NO KEY UPDATE`;
  return rows.length > 0;
}

/** The same for the job of a stage. Does nothing for an `ingest` stage, which has none. */
export async function lockJobOf(tx: Transaction, stageId: string): Promise<void> {
  await tx.$queryRaw`
    SELECT 1 AS one FROM job WHERE id = (SELECT job_id FROM stage WHERE id = ${stageId}) FOR NO KEY UPDATE`;
}

/** Appends `events` in this order and wakes those who listen; both become visible when the transaction commits. */
export async function appendEvents(tx: Transaction, jobId: string, events: NewJobEvent[]): Promise<void> {
  if (events.length === 0) return;
  await tx.$queryRaw`
    WITH place AS (
      UPDATE job SET event_sequence = event_sequence + ${events.length} WHERE id = ${jobId}
      RETURNING event_sequence - ${events.length} AS last
    ), appended AS (
      INSERT INTO job_event (job_id, sequence, type, payload)
      SELECT ${jobId}, place.last + event.ordinality, event.value->>'type', event.value - 'type'
      FROM place, jsonb_array_elements(${JSON.stringify(events)}::jsonb) WITH ORDINALITY AS event
    )
    SELECT pg_notify(${EVENT_CHANNEL}, ${jobId})::text AS notified FROM place`;
}

export async function wakeRelay(tx: Transaction): Promise<void> {
  await tx.$queryRaw`SELECT pg_notify(${OUTBOX_CHANNEL}, '')::text AS notified`;
}

export async function wakeSchedules(tx: Transaction): Promise<void> {
  await tx.$queryRaw`SELECT pg_notify(${SCHEDULE_CHANNEL}, '')::text AS notified`;
}
