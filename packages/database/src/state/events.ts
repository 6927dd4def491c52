/** Appending to a job's events: the sequence is allotted under the job row's lock, so readers never see a gap. */
import type { NewJobEvent } from '@rela/contracts';
import type { Transaction } from '../connection.js';
import { insertDeliveries, type Told } from './delivery-state.js';

/** Payload: the job's id. */
export const EVENT_CHANNEL = 'rela_event';
/** Payload: empty; there is something to send. */
export const OUTBOX_CHANNEL = 'rela_outbox';

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

/**
 * Appends `events` in this order, with a delivery for each webhook that is told of them, and wakes those who listen; all of it becomes
 * visible when the transaction commits. Which webhooks those are is said by the same statement: where there are none, it is the only one.
 */
export async function appendEvents(tx: Transaction, jobId: string, events: NewJobEvent[]): Promise<void> {
  if (events.length === 0) return;
  // The tenant by name of the column, which is there once a later migration has brought it. The lock of a webhook: it is not removed
  // before the deliveries that refer to it are there.
  const [found] = await tx.$queryRaw<{ told: Told[] | null }[]>`
    WITH place AS (
      UPDATE job SET event_sequence = event_sequence + ${events.length} WHERE id = ${jobId}
      RETURNING event_sequence - ${events.length} AS last, labels, to_jsonb(job)->>'tenant_id' AS tenant
    ), appended AS (
      INSERT INTO job_event (job_id, sequence, type, payload)
      SELECT ${jobId}, place.last + event.ordinality, event.value->>'type', event.value - 'type'
      FROM place, jsonb_array_elements(${JSON.stringify(events)}::jsonb) WITH ORDINALITY AS event
      RETURNING sequence, type, payload, at
    ), told AS (
      SELECT webhook.id AS "webhookId", appended.* FROM place, appended, webhook
      WHERE webhook.enabled AND webhook.events @> to_jsonb(concat(appended.type, '.', appended.payload->>'status'))
        AND place.labels @> webhook.labels AND (place.tenant IS NULL OR webhook.tenant_id = place.tenant)
      FOR KEY SHARE OF webhook
    )
    SELECT pg_notify(${EVENT_CHANNEL}, ${jobId})::text AS notified, (SELECT jsonb_agg(told) FROM told) AS told FROM place`;
  if (found?.told) await insertDeliveries(tx, jobId, found.told);
}

export async function wakeRelay(tx: Transaction): Promise<void> {
  await tx.$queryRaw`SELECT pg_notify(${OUTBOX_CHANNEL}, '')::text AS notified`;
}
