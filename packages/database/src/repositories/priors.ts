/** Priors: written once, never changed. */
import { newId, type Page, type Prior } from '@rela/contracts';
import type { Connection } from '../connection.js';
import { isUniqueViolation } from '../errors.js';
import type { Prior as PriorRow } from '../generated/client.js';
import { fromJson, toJson } from './json.js';
import { type PageRequest, pageArguments, pageOf } from './paging.js';

function toPrior(row: PriorRow): Prior {
  return {
    ...row,
    source: fromJson(row.source),
    preprocessing: fromJson(row.preprocessing),
    createdAt: row.createdAt.toISOString(),
  };
}

export function createPriors({ prisma }: Connection) {
  async function get(id: string): Promise<Prior | null> {
    const row = await prisma.prior.findUnique({ where: { id } });
    return row && toPrior(row);
  }

  return {
    /** A prior of equal digest and name is the same prior: the one that is there is returned. */
    async create(prior: Omit<Prior, 'id' | 'createdAt'>): Promise<Prior> {
      const { digest, name } = prior;
      const existing = () => prisma.prior.findUnique({ where: { digest_name: { digest, name } } });
      const found = await existing();
      if (found) return toPrior(found);
      try {
        const row = await prisma.prior.create({
          data: {
            ...prior,
            id: newId('pr'),
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
    async find(reference: string): Promise<Prior | null> {
      // The newest of each index: asked for either in one condition, PostgreSQL may read all priors for one that is not there.
      const rows = await prisma.$queryRaw<{ id: string }[]>`
        SELECT id FROM (
          (SELECT id FROM prior WHERE id = ${reference})
          UNION ALL (SELECT id FROM prior WHERE digest = ${reference} ORDER BY digest DESC, id DESC LIMIT 1)
          UNION ALL (SELECT id FROM prior WHERE name = ${reference} ORDER BY name DESC, id DESC LIMIT 1)
        ) AS newest ORDER BY id DESC LIMIT 1`;
      return rows[0] ? get(rows[0].id) : null;
    },

    async list(page: PageRequest): Promise<Page<Prior>> {
      return pageOf(await prisma.prior.findMany(pageArguments('pr', page)), page.limit, toPrior);
    },

    /** Names in use, for a "did you mean". At most 1000, newest first. */
    async names(): Promise<string[]> {
      const rows = await prisma.prior.findMany({
        select: { name: true },
        orderBy: { id: 'desc' },
        take: 1000,
      });
      return [...new Set(rows.map((row) => row.name))];
    },
  };
}
