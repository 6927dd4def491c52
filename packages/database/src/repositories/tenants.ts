/** Tenants: made by those who run the service, named by keys and tokens. */
import { newId, ProblemError, type Tenant, type TenantLimits } from '@rela/contracts';
import type { Connection } from '../connection.js';
import { isUniqueViolation } from '../errors.js';
import type { Tenant as TenantRow } from '../generated/client.js';
import { fromJson, toJson } from './json.js';

const toTenant = ({ id, name, limits, createdAt }: TenantRow): Tenant => ({
  ...{ id, name, limits: fromJson<TenantLimits>(limits) },
  createdAt: createdAt.toISOString(),
});

export function createTenants({ prisma }: Connection) {
  const unknown = (id: string) => new ProblemError('not-found', `There is no tenant "${id}".`);

  return {
    /** @throws ProblemError `conflict` where the name is taken */
    async create(name: string): Promise<Tenant> {
      try {
        return toTenant(await prisma.tenant.create({ data: { id: newId('tnt'), name } }));
      } catch (error) {
        if (!isUniqueViolation(error)) throw error;
        throw new ProblemError('conflict', `There is a tenant "${name}" already. Take another name.`);
      }
    },

    /** @throws ProblemError `not-found` */
    async get(id: string): Promise<Tenant> {
      const row = await prisma.tenant.findUnique({ where: { id } });
      if (!row) throw unknown(id);
      return toTenant(row);
    },

    async find(reference: string): Promise<Tenant | null> {
      const row = await prisma.tenant.findFirst({ where: { OR: [{ id: reference }, { name: reference }] } });
      return row && toTenant(row);
    },

    /** Puts its limits in the place of those that it had. @throws ProblemError `not-found` */
    async limit(id: string, limits: TenantLimits): Promise<Tenant> {
      const [row] = await prisma.tenant.updateManyAndReturn({
        where: { id },
        data: { limits: toJson(limits) },
      });
      if (row) return toTenant(row);
      throw unknown(id);
    },

    /** By name. */
    async list(): Promise<Tenant[]> {
      return (await prisma.tenant.findMany({ orderBy: { name: 'asc' } })).map(toTenant);
    },
  };
}
