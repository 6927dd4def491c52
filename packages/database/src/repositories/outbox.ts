/**
 * The outbox: one row for every queued stage, written in the transaction that queued it and deleted by the claim. A
 * relay that dies between sending and `markSent` sends again; a queue that loses messages gets them from `stale`.
 *
 * Who goes next is decided here. Of each tenant a few messages of a kind are in the queue at a time, the others wait in Postgres, in the order of
 * priority and age. A message is sent with the number of stages that its tenant has before it, in the queue or running, divided by the tenant's
 * share: the queue gives the smallest first. So a tenant that has nothing under way is next, whatever the others have waiting, and two that are
 * both busy get on as their shares say. Whose limit is reached sends nothing more until something of it has ended, or the day has.
 */
import type { StageKind, TenantLimits } from '@rela/contracts';
import type { Connection } from '../connection.js';
import { Prisma } from '../generated/client.js';
import { OUTBOX_CHANNEL } from '../state/events.js';
import { IS_RUNNING, STATUS } from '../state/stage-state.js';
import type { Listener, ListenHandle } from './listener.js';

export interface OutboxMessage {
  id: string;
  stageId: string;
  kind: StageKind;
  dispatch: number;
  /** Stages of its tenant that stand before it, divided by the tenant's share: the smallest is next. */
  priority: number;
  /** What is left of a retry's back-off; 0 where the stage may start at once. */
  delayMs: number;
}

const STALE_AT_ONCE = 1000;

/**
 * Messages of one tenant in the queue, by kind: enough that no worker waits for the next look at the outbox, and few, since what comes later and
 * is more urgent for its tenant, or of another tenant, may pass those that are not sent only by its number.
 */
const WINDOWS: Record<StageKind, number> = {
  ...{
    ingest: 16,
    adopt: 16,
    appraise: 16,
    choose: 16,
    embed: 256,
    join: 64,
    reduce: 16,
    train: 16,
    evaluate: 16,
  },
};

/** More than any window, so that there is no room where as many are in the queue. */
const MOST_SENT = 1000;

/**
 * Whether the message is the newest of a stage that is queued. Asked of each message in turn: as a join, a planner whose statistics are from
 * before a large job goes through all queued stages for every message.
 */
const IS_CURRENT = Prisma.sql`(
  SELECT ${STATUS} = 'queued' AND stage.dispatch = outbox.dispatch FROM stage WHERE stage.id = outbox.stage_id)`;

/** Behind which places are not told apart: more than windows allow, at any share. */
const LAST_PLACE = 1_000_000;

/** @param defaults limits of tenants that have none of their own */
export function createOutbox({ prisma, direct }: Connection, listener: Listener, defaults: TenantLimits) {
  async function select(where: Prisma.Sql, order: Prisma.Sql, limit: number): Promise<OutboxMessage[]> {
    return direct.$queryRaw<OutboxMessage[]>`
      SELECT outbox.id::text AS id, outbox.stage_id AS "stageId", outbox.kind, outbox.dispatch, 0 AS priority,
        greatest(0, extract(epoch FROM outbox.available_at - clock_timestamp()) * 1000)::int AS "delayMs"
      FROM outbox WHERE ${where} AND ${IS_CURRENT} ORDER BY ${order} LIMIT ${limit}`;
  }

  return {
    /** Messages to be sent now, with what stands before each as `priority`. They stay until `markSent`. */
    async take(limit: number): Promise<OutboxMessage[]> {
      return direct.$queryRaw<OutboxMessage[]>`
      WITH RECURSIVE waiting (kind, tenant_id) AS (
        (SELECT kind, tenant_id FROM outbox WHERE sent_at IS NULL ORDER BY kind, tenant_id LIMIT 1)
        UNION ALL
        SELECT next.kind, next.tenant_id FROM waiting CROSS JOIN LATERAL (
          SELECT kind, tenant_id FROM outbox
          WHERE sent_at IS NULL AND (kind, tenant_id) > (waiting.kind, waiting.tenant_id)
          ORDER BY kind, tenant_id LIMIT 1) AS next
      ), sent AS (
        -- Ordered and limited, so that the index is read that has these alone, however many wait.
        SELECT kind, tenant_id, one.priority, count(*)::int AS count FROM waiting CROSS JOIN LATERAL (
          SELECT outbox.priority FROM outbox
          WHERE outbox.sent_at IS NOT NULL AND outbox.kind = waiting.kind AND outbox.tenant_id = waiting.tenant_id
          ORDER BY outbox.kind, outbox.tenant_id, outbox.priority LIMIT ${MOST_SENT}) AS one
        GROUP BY 1, 2, 3
      ), running AS MATERIALIZED (
        SELECT kind, tenant_id, count(*)::int AS count FROM stage WHERE ${IS_RUNNING} GROUP BY 1, 2
      ), used AS (
        SELECT tenant_id, sum(cpu_seconds) AS cpu, sum(gpu_seconds) AS gpu FROM tenant_usage
        WHERE day = (clock_timestamp() AT TIME ZONE 'UTC')::date GROUP BY 1
      ), standing AS (
        SELECT waiting.kind, waiting.tenant_id, ${JSON.stringify(defaults)}::jsonb || tenant.limits AS limits,
          coalesce((SELECT sum(count) FROM sent
            WHERE sent.kind = waiting.kind AND sent.tenant_id = waiting.tenant_id), 0)::int AS sent,
          coalesce((SELECT count FROM running
            WHERE running.kind = waiting.kind AND running.tenant_id = waiting.tenant_id), 0) AS running,
          coalesce(used.cpu, 0) AS cpu, coalesce(used.gpu, 0) AS gpu
        FROM waiting JOIN tenant ON tenant.id = waiting.tenant_id LEFT JOIN used ON used.tenant_id = waiting.tenant_id
      ), room AS MATERIALIZED (
        SELECT kind, tenant_id, running, coalesce((limits->>'share')::float8, 1) AS share,
          least((${JSON.stringify(WINDOWS)}::jsonb->>kind)::int - sent,
            CASE WHEN kind = 'train' THEN (limits->>'runningRuns')::int - running - sent END) AS free
        FROM standing
        WHERE coalesce(cpu < (limits->>'cpuSecondsPerDay')::float8, true)
          AND coalesce(gpu < (limits->>'gpuSecondsPerDay')::float8, true)
      ), next AS (
        SELECT outbox.*, room.running, room.share,
          row_number() OVER (PARTITION BY room.kind, room.tenant_id ORDER BY outbox.priority DESC, outbox.id) - 1 AS place
        FROM room CROSS JOIN LATERAL (
          SELECT outbox.id, outbox.stage_id, outbox.kind, outbox.tenant_id, outbox.dispatch, outbox.priority, outbox.available_at
          FROM outbox
          WHERE outbox.sent_at IS NULL AND outbox.kind = room.kind AND outbox.tenant_id = room.tenant_id AND ${IS_CURRENT}
          ORDER BY outbox.priority DESC, outbox.id LIMIT greatest(0, room.free)) AS outbox
      ), placed AS (
        SELECT next.*, floor((next.running + next.place + coalesce((SELECT sum(count) FROM sent
          WHERE sent.kind = next.kind AND sent.tenant_id = next.tenant_id AND sent.priority >= next.priority), 0))
          / next.share)::int AS before
        FROM next
      )
      SELECT id::text AS id, stage_id AS "stageId", kind, dispatch, least(before, ${LAST_PLACE}) AS priority,
        greatest(0, extract(epoch FROM available_at - clock_timestamp()) * 1000)::int AS "delayMs"
      FROM placed ORDER BY before, id LIMIT ${limit}`;
    },

    /**
     * Not on the disk when it returns: what a crash of the server forgets is sent again, as where the relay died before. A message that somebody
     * has locked is being claimed and gone with that; should the claim fail, it is sent again too.
     */
    async markSent(ids: string[]): Promise<void> {
      await direct.$queryRaw`
        UPDATE outbox SET sent_at = clock_timestamp()
        WHERE id = ANY(ARRAY(SELECT id FROM outbox WHERE id = ANY(${ids}::text[]::bigint[]) FOR NO KEY UPDATE SKIP LOCKED))
          AND (SELECT set_config('synchronous_commit', 'off', true)) = 'off'`;
    },

    /** Since when the oldest unsent message waits; null where none does. */
    async unsentSince(): Promise<string | null> {
      const row = await prisma.outbox.findFirst({ where: { sentAt: null }, orderBy: { id: 'asc' } });
      return row?.createdAt.toISOString() ?? null;
    },

    /** Messages sent long ago (counted from the end of their back-off) and never claimed; `markSent` restarts the clock. */
    stale: ({ olderThanSeconds }: { olderThanSeconds: number }): Promise<OutboxMessage[]> =>
      select(
        Prisma.sql`greatest(outbox.sent_at, outbox.available_at)
          < statement_timestamp() - make_interval(secs => ${olderThanSeconds}::float8) AND outbox.sent_at IS NOT NULL`,
        Prisma.sql`greatest(outbox.sent_at, outbox.available_at)`,
        STALE_AT_ONCE,
      ),

    /** Calls back when there may be something to take. */
    listen: (onWake: () => void): Promise<ListenHandle> => listener.listen(OUTBOX_CHANNEL, () => onWake()),
  };
}
