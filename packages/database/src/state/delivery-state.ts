/**
 * The state of a delivery, which is one event for one webhook; only this file changes it:
 *
 *     pending ──answered with success──▶ delivered ──sent again by hand──▶ pending
 *      │   ▲ └──the last try failed, or nobody is there any more──▶ failed ──sent again by hand──▶ pending
 *      └───┘ claimed: a lease, and the next attempt. Failed, handed back, or the lease ran out: due again, the same under the same id
 */
import {
  type Job,
  type JobEvent,
  newId,
  type Webhook,
  type WebhookDeliveryStatus,
  WebhookEventType,
  type WebhookPayload,
} from '@rela/contracts';
import type { Statements, Transaction } from '../connection.js';
import { readJobs } from '../repositories/job-views.js';
import { readRun } from '../repositories/run-views.js';

/** Payload: empty; there is something to deliver. */
export const DELIVERY_CHANNEL = 'rela_delivery';

/** An event that a webhook is told of, as it was appended. */
export interface Told {
  webhookId: string;
  jobId: string;
  sequence: number;
  type: string;
  payload: object;
  /** As JSON of the database has it. */
  at: string;
}

interface NewDelivery {
  webhookId: string;
  jobId: string | null;
  payload: WebhookPayload;
}

async function insert(tx: Statements, deliveries: NewDelivery[]): Promise<string[]> {
  const status: WebhookDeliveryStatus = 'pending';
  const rows = deliveries.map(({ webhookId, jobId, payload }) => ({
    ...{ id: newId('msg'), webhookId, jobId, status, type: payload.type, body: JSON.stringify(payload) },
  }));
  await tx.$queryRaw`
    INSERT INTO webhook_delivery (id, webhook_id, job_id, status, type, body)
    SELECT id, "webhookId", "jobId", status, type, body FROM jsonb_to_recordset(${JSON.stringify(rows)}::jsonb)
      AS one (id text, "webhookId" text, "jobId" text, status text, type text, body text)`;
  await wakeDeliveries(tx);
  return rows.map(({ id }) => id);
}

async function wakeDeliveries(tx: Statements): Promise<void> {
  await tx.$queryRaw`SELECT pg_notify(${DELIVERY_CHANNEL}, '')::text AS notified`;
}

/** New deliveries of events, with the jobs and the runs as they are now: the caller holds the locks of the jobs. */
export async function insertDeliveries(tx: Statements, told: Told[]): Promise<void> {
  const jobs = await readJobs(tx, [...new Set(told.map(({ jobId }) => jobId))], null);
  const payloads = new Map<string, WebhookPayload>();
  const nameOf = ({ jobId, sequence }: Told) => `${jobId} ${sequence}`;
  for (const one of told) {
    const { jobId, sequence, type, payload, at } = one;
    if (payloads.has(nameOf(one))) continue;
    const event = { ...payload, type, jobId, sequence, at: new Date(at).toISOString() } as JobEvent;
    payloads.set(nameOf(one), await payloadOf(tx, event, jobs.get(jobId)!));
  }
  await insert(
    tx,
    told.map((one) => ({ webhookId: one.webhookId, jobId: one.jobId, payload: payloads.get(nameOf(one))! })),
  );
}

async function payloadOf(tx: Statements, event: JobEvent, job: Job): Promise<WebhookPayload> {
  const timestamp = event.at;
  const type = WebhookEventType.parse('status' in event ? `${event.type}.${event.status}` : event.type);
  if (event.type !== 'run') return { type, timestamp, data: { event, job } } as WebhookPayload;
  return { type, timestamp, data: { event, job, run: await readRun(tx, event.runId) } } as WebhookPayload;
}

/** A delivery that says nothing but that it arrives. @returns its id */
export async function insertPing(tx: Transaction, webhook: Webhook): Promise<string> {
  const payload: WebhookPayload = {
    ...{ type: 'webhook.ping', timestamp: new Date().toISOString(), data: { webhook } },
  };
  const [id] = await insert(tx, [{ webhookId: webhook.id, jobId: null, payload }]);
  return id!;
}

/** delivered | failed → pending, with all of its tries; one that waits for its next try is due now. */
export async function reopenDelivery(tx: Transaction, id: string): Promise<void> {
  await tx.$executeRaw`
    UPDATE webhook_delivery SET status = 'pending', failures = 0, available_at = clock_timestamp(), ended_at = NULL
    WHERE id = ${id}`;
  await wakeDeliveries(tx);
}

export interface ClaimedDelivery {
  id: string;
  webhookId: string;
  type: string;
  /** Names the attempt. */
  attempt: number;
  /** Attempts that have failed before. */
  failures: number;
  body: string;
  url: string;
  /** What signs, the newest first. */
  secrets: string[];
}

export interface ClaimRequest {
  limit: number;
  /** Most of one webhook that are under way, over all who send. */
  perWebhook: number;
  leaseSeconds: number;
}

/**
 * Claims what is due, of webhooks that are on, in an order of webhooks that is drawn anew each time. Whoever claims at the same moment gets
 * others. An attempt whose end nobody noted is said to have none.
 */
export async function claimDeliveries(
  tx: Transaction,
  { limit, perWebhook, leaseSeconds }: ClaimRequest,
): Promise<ClaimedDelivery[]> {
  return tx.$queryRaw<ClaimedDelivery[]>`
    WITH due AS MATERIALIZED (
      SELECT delivery.id FROM (SELECT id FROM webhook WHERE enabled ORDER BY random()) AS webhook
      CROSS JOIN LATERAL (
        SELECT id FROM webhook_delivery
        WHERE webhook_id = webhook.id AND status = 'pending' AND available_at <= now()
          AND (lease_until IS NULL OR lease_until <= now())
        ORDER BY available_at, id
        LIMIT greatest(0, ${perWebhook}::int - (
          SELECT count(*) FROM webhook_delivery AS held WHERE held.webhook_id = webhook.id AND held.lease_until > now()))
        FOR UPDATE SKIP LOCKED
      ) AS delivery LIMIT ${limit}
    ), claimed AS (
      UPDATE webhook_delivery AS delivery
      SET attempt = attempt + 1, lease_until = clock_timestamp() + make_interval(secs => ${leaseSeconds}::float8)
      FROM due WHERE delivery.id = due.id
      RETURNING delivery.id, delivery.webhook_id, delivery.type, delivery.attempt, delivery.failures, delivery.body
    ), lost AS (
      UPDATE webhook_attempt AS attempt SET error = 'What sent it ended before it noted an answer.'
      FROM claimed WHERE attempt.delivery_id = claimed.id AND attempt.number = claimed.attempt - 1
        AND attempt.error IS NULL AND attempt.milliseconds IS NULL
    ), begun AS (
      INSERT INTO webhook_attempt (delivery_id, number) SELECT id, attempt FROM claimed
    )
    SELECT claimed.id, claimed.webhook_id AS "webhookId", claimed.type, claimed.attempt, claimed.failures, claimed.body,
      webhook.url, CASE WHEN webhook.previous_until > now() THEN ARRAY[webhook.secret, webhook.previous_secret]
        ELSE ARRAY[webhook.secret] END AS secrets
    FROM claimed JOIN webhook ON webhook.id = claimed.webhook_id`;
}

/** How an attempt ended. */
export interface DeliveryOutcome {
  id: string;
  attempt: number;
  status: number | null;
  /** null: delivered. */
  error: string | null;
  milliseconds: number;
  answer: string | null;
  /** Seconds to the next try; null where there is none. */
  retrySeconds: number | null;
  /** Counts towards the tries that there are. */
  counts: boolean;
  /** Why the webhook is switched off; null where it is not. */
  disable: string | null;
}

/** Writes down what became of attempts. One that another attempt has followed changes nothing but its own line of the log. */
export async function noteOutcomes(tx: Transaction, outcomes: DeliveryOutcome[]): Promise<void> {
  if (outcomes.length === 0) return;
  await tx.$executeRaw`
    WITH outcome AS (
      SELECT * FROM jsonb_to_recordset(${JSON.stringify(outcomes)}::jsonb) AS outcome (
        id text, attempt int, status int, error text, milliseconds int, answer text, "retrySeconds" float8, counts bool,
        disable text)
    ), noted AS (
      UPDATE webhook_delivery AS delivery SET
        status = CASE WHEN outcome.error IS NULL THEN 'delivered' WHEN "retrySeconds" IS NULL THEN 'failed' ELSE 'pending' END,
        failures = failures + counts::int,
        available_at = clock_timestamp() + make_interval(secs => coalesce("retrySeconds", 0)),
        ended_at = CASE WHEN outcome.error IS NULL OR "retrySeconds" IS NULL THEN clock_timestamp() END,
        lease_until = NULL
      FROM outcome
      WHERE delivery.id = outcome.id AND delivery.attempt = outcome.attempt AND delivery.status = 'pending'
      RETURNING delivery.webhook_id, outcome.disable
    ), off AS (
      UPDATE webhook SET enabled = false, disabled_reason = noted.disable
      FROM noted WHERE webhook.id = noted.webhook_id AND noted.disable IS NOT NULL
    )
    UPDATE webhook_attempt AS attempt
    SET status = outcome.status, error = outcome.error, milliseconds = outcome.milliseconds, answer = outcome.answer
    FROM outcome WHERE attempt.delivery_id = outcome.id AND attempt.number = outcome.attempt`;
}
