/**
 * The outbox: one row for every queued stage, written in the transaction that queued it and deleted by the claim. A
 * relay that dies between sending and `markSent` sends again; a queue that loses messages gets them from `stale`.
 */
import type { StageKind } from '@rela/contracts';
import type { Connection } from '../connection.js';
import { Prisma } from '../generated/client.js';
import { OUTBOX_CHANNEL } from '../state/events.js';
import type { Listener, ListenHandle } from './listener.js';

export interface OutboxMessage {
  id: string;
  stageId: string;
  kind: StageKind;
  dispatch: number;
  priority: number;
  /** What is left of a retry's back-off; 0 where the stage may start at once. */
  delayMs: number;
}

const STALE_AT_ONCE = 1000;

export function createOutbox({ prisma }: Connection, listener: Listener) {
  async function select(where: Prisma.Sql, order: Prisma.Sql, limit: number): Promise<OutboxMessage[]> {
    return prisma.$queryRaw<OutboxMessage[]>`
      SELECT outbox.id::text AS id, outbox.stage_id AS "stageId", outbox.kind, outbox.dispatch, outbox.priority,
        greatest(0, extract(epoch FROM outbox.available_at - clock_timestamp()) * 1000)::int AS "delayMs"
      FROM outbox JOIN stage ON stage.id = outbox.stage_id AND stage.dispatch = outbox.dispatch
      WHERE stage.status = 'queued' AND ${where} ORDER BY ${order} LIMIT ${limit}`;
  }

  return {
    /** Messages not sent yet, oldest first. They stay until `markSent`. */
    take: (limit: number): Promise<OutboxMessage[]> =>
      select(Prisma.sql`outbox.sent_at IS NULL`, Prisma.sql`outbox.id`, limit),

    async markSent(ids: string[]): Promise<void> {
      await prisma.$executeRaw`
        UPDATE outbox SET sent_at = clock_timestamp() WHERE id = ANY(${ids}::text[]::bigint[])`;
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
