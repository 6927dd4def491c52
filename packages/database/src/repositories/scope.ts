/** Whose rows a repository sees: one tenant's, or (null) those of all, as the processes that do the work need it. */
import { DEFAULT_TENANT } from '@rela/contracts';
import { Prisma } from '../generated/client.js';

export type TenantScope = string | null;

/** A condition for Prisma on a table that has tenants. */
export const ownedBy = (tenant: TenantScope): { tenantId?: string } =>
  tenant === null ? {} : { tenantId: tenant };

/** The same for SQL, on the column `tenant_id` of `table`. */
export const ownedSql = (
  tenant: TenantScope,
  table: 'dataset' | 'prior' | 'job' | 'stage' | 'api_key' | 'schedule',
): Prisma.Sql =>
  tenant === null ? Prisma.sql`true` : Prisma.sql`${Prisma.raw(table)}.tenant_id = ${tenant}`;

/** The same for what belongs to a job. */
export const ofOwnJob = (tenant: TenantScope): { job?: { tenantId: string } } =>
  tenant === null ? {} : { job: { tenantId: tenant } };

/** Whose new rows are. */
export const ownerOf = (tenant: TenantScope): string => tenant ?? DEFAULT_TENANT.id;
