/**
 * Idempotency-Keys of POST requests.
 *
 *     (none) ──begin──▶ in progress ──finish──▶ done ──after a day──▶ (none)
 *                            └──abandon, or taken over a minute after its process died──▶ (none)
 */
import { ProblemError } from '@rela/contracts';
import type { Connection, Transaction } from '../connection.js';
import { Prisma } from '../generated/client.js';
import { fromJson, toJson } from './json.js';
import { ownerOf, type TenantScope } from './scope.js';

export interface StoredResponse {
  status: number;
  headers: Record<string, string>;
  body: unknown;
}

/** A key in the hands of one request; another one that takes it over holds it under another time. */
export interface HeldKey {
  key: string;
  since: Date;
}

export type IdempotencyState =
  | { state: 'new'; held: HeldKey }
  | ({ state: 'done' } & StoredResponse)
  | { state: 'in-progress' }
  | { state: 'mismatch' };

const KEPT_HOURS = 24;
const TAKEN_OVER_AFTER_SECONDS = 60;
const SWEPT_AT_ONCE = 100;

export function createIdempotency({ prisma }: Connection, tenant: TenantScope) {
  const tenantId = ownerOf(tenant);

  /** Rows a day old are swept a few at a time, by those who add new ones. */
  async function sweep(): Promise<void> {
    await prisma.$executeRaw`
      DELETE FROM idempotency_key WHERE (tenant_id, key) IN (
        SELECT tenant_id, key FROM idempotency_key
        WHERE created_at < statement_timestamp() - make_interval(hours => ${KEPT_HOURS}::int)
        LIMIT ${SWEPT_AT_ONCE})`;
  }

  return {
    /** Whose request this is: `new` for exactly one of those who ask at the same time. */
    async begin(request: { key: string; route: string; requestDigest: string }): Promise<IdempotencyState> {
      const { key, route, requestDigest } = request;
      const taken = await prisma.$queryRaw<{ since: Date }[]>`
        INSERT INTO idempotency_key AS held (tenant_id, key, route, request_digest)
        VALUES (${tenantId}, ${key}, ${route}, ${requestDigest})
        ON CONFLICT (tenant_id, key) DO UPDATE SET route = excluded.route, request_digest = excluded.request_digest,
          status = NULL, headers = NULL, body = NULL, started_at = excluded.started_at,
          created_at = excluded.created_at
        WHERE held.created_at < clock_timestamp() - make_interval(hours => ${KEPT_HOURS}::int)
          OR (held.status IS NULL AND held.route = excluded.route AND held.request_digest = excluded.request_digest
            AND held.started_at < clock_timestamp() - make_interval(secs => ${TAKEN_OVER_AFTER_SECONDS}::float8))
        RETURNING started_at AS since`;
      if (taken[0]) {
        await sweep();
        return { state: 'new', held: { key, since: taken[0].since } };
      }
      const held = await prisma.idempotencyKey.findUnique({ where: { tenantId_key: { tenantId, key } } });
      // Abandoned between the two statements: the client may simply ask again.
      if (!held) return { state: 'in-progress' };
      if (held.route !== route || held.requestDigest !== requestDigest) return { state: 'mismatch' };
      if (held.status === null) return { state: 'in-progress' };
      return {
        state: 'done',
        status: held.status,
        headers: held.headers === null ? {} : fromJson(held.headers),
        body: held.body,
      };
    },

    /**
     * Keeps the answer for those who ask again. In the transaction of what was asked for both are there or neither, so that
     * no death in between lets a repetition do it twice.
     * @throws ProblemError `idempotency-in-progress` where another request has taken the key over: the transaction is to end
     */
    async finish({ key, since }: HeldKey, response: StoredResponse, tx: Transaction): Promise<void> {
      const { status, headers, body } = response;
      const { count } = await tx.idempotencyKey.updateMany({
        where: { tenantId, key, startedAt: since, status: null },
        data: {
          status,
          headers: toJson(headers),
          body: body === null || body === undefined ? Prisma.JsonNull : (body as Prisma.InputJsonValue),
        },
      });
      if (count === 0)
        throw new ProblemError(
          'idempotency-in-progress',
          `This request took so long that a repetition of it has taken over the Idempotency-Key "${key}". Send it again in a second to get its answer.`,
        );
    },

    /** The request failed in a way that another try may cure: the key is free again. */
    async abandon({ key, since }: HeldKey): Promise<void> {
      await prisma.idempotencyKey.deleteMany({ where: { tenantId, key, startedAt: since, status: null } });
    },
  };
}
