/** Priors: written once, never changed. */
import { newId, type Page, type Prior } from '@rela/contracts';
import type { Connection, Transaction } from '../connection.js';
import { isUniqueViolation } from '../errors.js';
import type { Prior as PriorRow } from '../generated/client.js';
import { together } from '../together.js';
import { fromJson, toJson } from './json.js';
import { namesInUse } from './names.js';
import { type PageRequest, pageArguments, pageOf } from './paging.js';
import { ownedBy, ownedSql, ownerOf, type TenantScope } from './scope.js';

function toPrior({ tenantId: _tenantId, ...row }: PriorRow): Prior {
  return {
    ...row,
    source: fromJson(row.source),
    preprocessing: fromJson(row.preprocessing),
    createdAt: row.createdAt.toISOString(),
  };
}

/** Of equal digest and name it is the tenant's same prior. @returns its id, also where it is there already */
export async function registerPrior(
  tx: Transaction,
  tenantId: string,
  prior: Omit<Prior, 'id' | 'createdAt'>,
): Promise<string> {
  const { digest, name } = prior;
  const row = { ...prior, source: toJson(prior.source), preprocessing: toJson(prior.preprocessing) };
  await tx.prior.createMany({ data: [{ ...row, id: newId('pr'), tenantId }], skipDuplicates: true });
  const { id } = await tx.prior.findUniqueOrThrow({
    where: { tenantId_digest_name: { tenantId, digest, name } },
  });
  return id;
}

/** References that are looked up in one go. */
const AT_ONCE = 50;

export function createPriors({ prisma, direct }: Connection, tenant: TenantScope) {
  const own = ownedBy(tenant);
  const find = together(
    async (references: string[]) => {
      const rows = await direct.$queryRaw<{ reference: string; id: string }[]>`
        SELECT reference, newest.id FROM unnest(${[...new Set(references)]}::text[]) AS reference
        CROSS JOIN LATERAL (
          -- The newest of each index: asked for either in one condition, PostgreSQL may read all priors for one that is not there.
          SELECT id FROM (
            (SELECT id FROM prior WHERE id = reference AND ${ownedSql(tenant, 'prior')})
            UNION ALL
            (SELECT id FROM prior WHERE ${ownedSql(tenant, 'prior')} AND digest = reference ORDER BY digest DESC, id DESC LIMIT 1)
            UNION ALL
            (SELECT id FROM prior WHERE ${ownedSql(tenant, 'prior')} AND name = reference ORDER BY name DESC, id DESC LIMIT 1)
          ) AS found ORDER BY id DESC LIMIT 1
        ) AS newest`;
      const found = await prisma.prior.findMany({ where: { id: { in: rows.map(({ id }) => id) } } });
      const byId = new Map(found.map((row) => [row.id, toPrior(row)]));
      const idOf = new Map(rows.map(({ reference, id }) => [reference, id]));
      return references.map((reference) => byId.get(idOf.get(reference) ?? '') ?? null);
    },
    { most: AT_ONCE },
  );
  async function get(id: string): Promise<Prior | null> {
    const row = await prisma.prior.findFirst({ where: { id, ...own } });
    return row && toPrior(row);
  }

  return {
    /** A prior of equal digest and name is the same prior: the one that is there is returned. */
    async create(prior: Omit<Prior, 'id' | 'createdAt'>): Promise<Prior> {
      const { digest, name } = prior;
      const tenantId = ownerOf(tenant);
      const existing = () =>
        prisma.prior.findUnique({ where: { tenantId_digest_name: { tenantId, digest, name } } });
      const found = await existing();
      if (found) return toPrior(found);
      try {
        const row = await prisma.prior.create({
          data: {
            ...prior,
            ...{ id: newId('pr'), tenantId },
            source: toJson(prior.source),
            preprocessing: toJson(prior.preprocessing),
          },
        });
        return toPrior(row);
      } catch (error) {
        // Somebody else registered it in the same moment.
        const row = isUniqueViolation(error) ? await existing() : null;
        if (row) return toPrior(row);
        throw error;
      }
    },

    get,

    /** By id, or the newest with that digest or name. */
    find,

    async list(page: PageRequest): Promise<Page<Prior>> {
      const { where, ...rest } = pageArguments('pr', page);
      const rows = await prisma.prior.findMany({ ...rest, where: { ...where, ...own } });
      return pageOf(rows, page.limit, toPrior);
    },

    names: () => namesInUse(direct, tenant, 'prior'),
  };
}
