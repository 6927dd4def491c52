/**
 * What is known of blobs in storage: uploads, features, and the models that runs have trained. A blob is kept once, whoever brought or made
 * it; a tenant reads and names those that it has uploaded, that its stages gave it, and the members of the lists among them.
 */
import type { Artifact, Model } from '@rela/contracts';
import type { Connection, Transaction } from '../connection.js';
import { type Artifact as ArtifactRow, Prisma } from '../generated/client.js';
import { ownerOf, type TenantScope } from './scope.js';

function toArtifact(row: ArtifactRow): Artifact {
  return { ...row, bytes: Number(row.bytes), createdAt: row.createdAt.toISOString() };
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

/** @param tenant SQL that gives the tenant's id; where it gives null, nobody is granted anything */
async function insertGrants(
  tx: Pick<Transaction, '$executeRaw'>,
  tenant: Prisma.Sql,
  grants: Grant[],
): Promise<void> {
  if (grants.length === 0) return;
  // Sorted, so that two transactions that grant the same do not wait for each other crosswise.
  const rows = grants
    .map(({ digest, bytes = 0, isList = false }) => ({ digest, bytes, isList }))
    .sort((a, b) => (a.digest < b.digest ? -1 : 1));
  await tx.$executeRaw`
    INSERT INTO artifact_access AS held (tenant_id, digest, bytes, is_unread_list)
    SELECT owner.id, granted.digest, max(granted.bytes), bool_or(granted."isList")
    FROM (SELECT ${tenant} AS id) AS owner,
      jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) AS granted (digest text, bytes bigint, "isList" boolean)
    WHERE owner.id IS NOT NULL GROUP BY owner.id, granted.digest ORDER BY granted.digest
    ON CONFLICT (tenant_id, digest) DO UPDATE
      SET bytes = greatest(held.bytes, excluded.bytes), is_unread_list = held.is_unread_list OR excluded.is_unread_list
      WHERE held.bytes < excluded.bytes OR (excluded.is_unread_list AND NOT held.is_unread_list)`;
}

/** The tenant that a stage works for, by its job or data set, as SQL. */
export const tenantOfStage = ({ jobId, datasetId }: { jobId: string | null; datasetId: string | null }) =>
  jobId === null
    ? Prisma.sql`(SELECT tenant_id FROM dataset WHERE id = ${datasetId})`
    : Prisma.sql`(SELECT tenant_id FROM job WHERE id = ${jobId})`;

/** To the tenant of the stage. */
export async function grantToOwner(
  tx: Transaction,
  stage: Parameters<typeof tenantOfStage>[0],
  grants: Grant[],
): Promise<void> {
  await insertGrants(tx, tenantOfStage(stage), grants);
}

export function createArtifacts({ prisma, transaction }: Connection, tenant: TenantScope) {
  const held = (digest: string) =>
    prisma.artifactAccess.findUnique({ where: { tenantId_digest: { tenantId: ownerOf(tenant), digest } } });

  return {
    /** An upload: whoever has the bytes may read them. */
    record: (artifact: NewArtifact): Promise<Artifact> =>
      transaction(async (tx) => {
        await insertGrants(tx, Prisma.sql`${ownerOf(tenant)}::text`, [artifact]);
        return recordArtifact(tx, artifact);
      }),

    /** One with a record: an upload, weights, features. Null where the tenant may not read it, as where there is none. */
    async get(digest: string): Promise<Artifact | null> {
      if (tenant !== null && !(await held(digest))) return null;
      const row = await prisma.artifact.findUnique({ where: { digest } });
      return row && toArtifact(row);
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
        const granted = members.map((digest) => ({ digest }));
        await insertGrants(tx, Prisma.sql`${ownerOf(tenant)}::text`, granted);
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
