/**
 * API keys. A secret is 256 random bits, shown once; what is kept of it is its sha256, which says nothing of so many bits however long
 * somebody tries. Whoever keeps what `identify` says in memory hears of keys that ended by `listen`.
 */
import { createHash, randomBytes } from 'node:crypto';
import {
  type ApiKey,
  type NewApiKey,
  newId,
  type Page,
  ProblemError,
  type Scope,
  type TenantLimits,
} from '@rela/contracts';
import type { Connection, Transaction } from '../connection.js';
import type { ApiKey as ApiKeyRow } from '../generated/client.js';
import { KEY_CHANNEL } from '../state/events.js';
import type { Listener, ListenHandle } from './listener.js';
import { type PageRequest, pageArguments, pageOf } from './paging.js';
import { ownedBy, ownedSql, ownerOf, type TenantScope } from './scope.js';

/** What a secret stands for, as long as it does. */
export interface KeyIdentity {
  keyId: string;
  tenantId: string;
  scope: Scope;
  /** Of the tenant. */
  limits: TenantLimits;
  expiresAt: Date | null;
}

export interface NewKey {
  name: string;
  scope: Scope;
  expiresAt?: string | undefined;
}

/** Tells our secrets from others', also for those who scan repositories for leaked ones. */
const PREFIX = 'rela_';
const SECRET_BYTES = 32;
const HINT_LENGTH = PREFIX.length + 6;
/** `last_used_at` is written no more often than this. */
const USED_SECONDS = 60;

export const newSecret = (): string => `${PREFIX}${randomBytes(SECRET_BYTES).toString('base64url')}`;

export const digestOfSecret = (secret: string): string => createHash('sha256').update(secret).digest('hex');

function toApiKey(row: ApiKeyRow): ApiKey {
  const { id, name, hint } = row;
  return {
    ...{ id, name, scope: row.scope as Scope, hint },
    createdAt: row.createdAt.toISOString(),
    expiresAt: row.expiresAt?.toISOString() ?? null,
    revokedAt: row.revokedAt?.toISOString() ?? null,
    lastUsedAt: row.lastUsedAt?.toISOString() ?? null,
  };
}

/** @param tenant whose keys these are; null: every tenant's, and new ones are the default tenant's */
export function createApiKeys({ prisma, transaction }: Connection, listener: Listener, tenant: TenantScope) {
  const own = ownedBy(tenant);

  async function insert(within: Transaction, key: NewKey): Promise<NewApiKey> {
    const secret = newSecret();
    const { name, scope, expiresAt } = key;
    const row = await within.apiKey.create({
      data: {
        ...{ id: newId('key'), tenantId: ownerOf(tenant), name, scope },
        ...{ digest: digestOfSecret(secret), hint: secret.slice(0, HINT_LENGTH) },
        expiresAt: expiresAt === undefined ? null : new Date(expiresAt),
      },
    });
    return { ...toApiKey(row), secret };
  }

  const tell = (within: Transaction, digest: string) =>
    within.$executeRaw`SELECT pg_notify(${KEY_CHANNEL}, ${digest})`;

  const unknown = (id: string) =>
    new ProblemError('not-found', `There is no key "${id}". GET /v1/keys lists them.`);

  return {
    create: (key: NewKey): Promise<NewApiKey> => transaction((tx) => insert(tx, key)),

    /**
     * Makes a secret of one's own a key, where it is not one yet. A key with it that was revoked stays so.
     * @param secret at least 32 characters
     */
    async ensure(secret: string, { name, scope }: NewKey): Promise<void> {
      await prisma.apiKey.createMany({
        data: [
          {
            ...{ id: newId('key'), tenantId: ownerOf(tenant), name, scope },
            ...{ digest: digestOfSecret(secret), hint: secret.slice(0, HINT_LENGTH) },
          },
        ],
        skipDuplicates: true,
      });
    },

    async list(page: PageRequest): Promise<Page<ApiKey>> {
      const { where, ...rest } = pageArguments('key', page);
      const rows = await prisma.apiKey.findMany({ ...rest, where: { ...where, ...own } });
      return pageOf(rows, page.limit, toApiKey);
    },

    /** @throws ProblemError `not-found` */
    async get(id: string): Promise<ApiKey> {
      const row = await prisma.apiKey.findFirst({ where: { id, ...own } });
      if (!row) throw unknown(id);
      return toApiKey(row);
    },

    /** From now on it is refused everywhere. A second time changes nothing. @throws ProblemError `not-found` */
    async revoke(id: string): Promise<ApiKey> {
      return transaction(async (tx) => {
        const found = await tx.apiKey.findFirst({ where: { id, ...own } });
        if (!found) throw unknown(id);
        if (found.revokedAt) return toApiKey(found);
        await tell(tx, found.digest);
        return toApiKey(await tx.apiKey.update({ where: { id }, data: { revokedAt: new Date() } }));
      });
    },

    /**
     * A new secret of the same name, scope and date of expiry. The old one is accepted for `graceSeconds` more, or as long as it would have been.
     * @throws ProblemError `not-found` · `conflict` where it is accepted no more
     */
    async rotate(id: string, { graceSeconds }: { graceSeconds: number }): Promise<NewApiKey> {
      return transaction(async (tx) => {
        // Of two rotations at once the second finds the key expiring, and makes a third: none is lost.
        const [held] = await tx.$queryRaw<{ ends: Date; isOver: boolean }[]>`
          SELECT clock_timestamp() + make_interval(secs => ${graceSeconds}::float8) AS ends,
            revoked_at IS NOT NULL OR coalesce(expires_at <= clock_timestamp(), false) AS "isOver"
          FROM api_key WHERE id = ${id} AND ${ownedSql(tenant, 'api_key')} FOR UPDATE`;
        if (!held) throw unknown(id);
        if (held.isOver)
          throw new ProblemError('conflict', `Key "${id}" is accepted no more; make a new one.`);
        const old = await tx.apiKey.findUniqueOrThrow({ where: { id } });
        const expiresAt = old.expiresAt && old.expiresAt < held.ends ? old.expiresAt : held.ends;
        await tx.apiKey.update({ where: { id }, data: { expiresAt } });
        await tell(tx, old.digest);
        return insert(tx, {
          ...{ name: old.name, scope: old.scope as Scope },
          expiresAt: old.expiresAt?.toISOString(),
        });
      });
    },

    /** Whose secret this is; null where it is none, or one that is accepted no more. */
    async identify(digest: string): Promise<KeyIdentity | null> {
      const [row] = await prisma.$queryRaw<KeyIdentity[]>`
        WITH key AS (
          SELECT * FROM api_key WHERE digest = ${digest} AND revoked_at IS NULL
            AND (expires_at IS NULL OR expires_at > clock_timestamp())
        ), used AS (
          UPDATE api_key SET last_used_at = clock_timestamp() FROM key WHERE api_key.id = key.id
            AND (key.last_used_at IS NULL
              OR key.last_used_at < clock_timestamp() - make_interval(secs => ${USED_SECONDS}::float8))
        )
        SELECT key.id AS "keyId", key.tenant_id AS "tenantId", key.scope, tenant.limits, key.expires_at AS "expiresAt"
        FROM key JOIN tenant ON tenant.id = key.tenant_id`;
      return row ?? null;
    },

    /** Calls back with the digest of a secret that is accepted no more, or for less long; null: any may be. */
    listen: (onEnd: (digest: string | null) => void): Promise<ListenHandle> =>
      listener.listen(KEY_CHANNEL, onEnd),
  };
}
