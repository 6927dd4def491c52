/**
 * What is known of blobs in storage: uploads, features, and the models that runs have trained. A blob is kept once, whoever brought or made
 * it; a tenant reads and names those that it has uploaded, that its stages gave it, and the members of the lists among them.
 */
import type { Artifact, Model } from '@rela/contracts';
import type { Connection, Statements, Transaction } from '../connection.js';
import type { Artifact as ArtifactRow } from '../generated/client.js';
import { ownerOf, type TenantScope } from './scope.js';

function toArtifact(row: ArtifactRow): Artifact {
  return { ...row, bytes: Number(row.bytes), createdAt: row.createdAt.toISOString() };
}

/** As a tenant sees it: when it came to it, and as what, is not when and as what another did. */
function asHeld(artifact: Artifact, access: { mediaType: string | null; createdAt: Date } | null): Artifact {
  if (!access) return artifact;
  const { mediaType, createdAt } = access;
  return { ...artifact, mediaType: mediaType ?? artifact.mediaType, createdAt: createdAt.toISOString() };
}

interface NewArtifact {
  digest: string;
  bytes: number;
  mediaType: string;
}

/** What a tenant comes to read. */
export interface Grant {
  digest: string;
  /** Counted as the tenant's; 0 where something else counts them. */
  bytes?: number;
  /** A list that the service itself made: its members become readable when it is read. */
  isList?: boolean;
}

/** The first record of a digest stays: the same bytes are the same artifact. */
export async function recordArtifact(
  { artifact }: Pick<Transaction, 'artifact'>,
  created: NewArtifact,
): Promise<Artifact> {
  const { digest } = created;
  return toArtifact(await artifact.upsert({ where: { digest }, create: created, update: {} }));
}

interface GrantRow {
  tenantId: string;
  digest: string;
  bytes: number;
  isList: boolean;
  mediaType?: string;
}

const rowOf = ({ digest, bytes = 0, isList = false }: Grant) => ({ digest, bytes, isList });

async function insertGrants(tx: Statements, rows: GrantRow[]): Promise<void> {
  if (rows.length === 0) return;
  // In order, so that two transactions that grant the same do not wait for each other crosswise.
  await tx.$queryRaw`
    INSERT INTO artifact_access AS held (tenant_id, digest, bytes, is_unread_list, media_type)
    SELECT "tenantId", digest, max(bytes), bool_or("isList"), min("mediaType")
    FROM jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) AS granted
      ("tenantId" text, digest text, bytes bigint, "isList" boolean, "mediaType" text)
    GROUP BY "tenantId", digest ORDER BY "tenantId", digest
    ON CONFLICT (tenant_id, digest) DO UPDATE
      SET bytes = greatest(held.bytes, excluded.bytes), is_unread_list = held.is_unread_list OR excluded.is_unread_list,
        media_type = coalesce(held.media_type, excluded.media_type)
      WHERE held.bytes < excluded.bytes OR (excluded.is_unread_list AND NOT held.is_unread_list)
        OR (held.media_type IS NULL AND excluded.media_type IS NOT NULL)`;
}

/** To the tenants of stages. */
export async function grantToOwners(
  tx: Statements,
  stages: { tenantId: string; grants: Grant[] }[],
): Promise<void> {
  await insertGrants(
    tx,
    stages.flatMap(({ tenantId, grants }) => grants.map((grant) => ({ ...rowOf(grant), tenantId }))),
  );
}

export function createArtifacts({ prisma, transaction }: Connection, tenant: TenantScope) {
  const held = (digest: string, within: Pick<Transaction, 'artifactAccess'> = prisma) =>
    within.artifactAccess.findUnique({ where: { tenantId_digest: { tenantId: ownerOf(tenant), digest } } });

  return {
    /** An upload: whoever has the bytes may read them. */
    record: (artifact: NewArtifact): Promise<Artifact> =>
      transaction(async (tx) => {
        const { digest, mediaType } = artifact;
        await insertGrants(tx, [{ ...rowOf(artifact), mediaType, tenantId: ownerOf(tenant) }]);
        const row = await recordArtifact(tx, artifact);
        return asHeld(row, await held(digest, tx));
      }),

    /** One with a record: an upload, weights, features. Null where the tenant may not read it, as where there is none. */
    async get(digest: string): Promise<Artifact | null> {
      const access = await held(digest);
      if (tenant !== null && !access) return null;
      const row = await prisma.artifact.findUnique({ where: { digest } });
      return row && asHeld(toArtifact(row), access);
    },

    /** Whether the tenant may read it, and whether it is a list whose members were not granted yet. */
    async access(digest: string): Promise<{ isUnreadList: boolean } | null> {
      const row = await held(digest);
      return row && { isUnreadList: row.isUnreadList };
    },

    /** The tenant has read this list: it may read what the list names. */
    async grantMembers(list: string, members: string[]): Promise<void> {
      await transaction(async (tx) => {
        const own = { tenantId: ownerOf(tenant), digest: list };
        await insertGrants(
          tx,
          members.map((digest) => ({ ...rowOf({ digest }), tenantId: own.tenantId })),
        );
        await tx.artifactAccess.updateMany({ where: own, data: { isUnreadList: false } });
      });
    },
  };
}

export function createModels({ prisma }: Connection, tenant: TenantScope) {
  return {
    /** A model that a train stage has given. */
    async get(digest: string): Promise<Model | null> {
      const row = await prisma.model.findUnique({ where: { digest } });
      if (!row) return null;
      if (tenant !== null) {
        const access = await prisma.artifactAccess.findUnique({
          where: { tenantId_digest: { tenantId: tenant, digest } },
        });
        if (!access) return null;
      }
      return { ...row, bytes: Number(row.bytes), createdAt: row.createdAt.toISOString() };
    },
  };
}
