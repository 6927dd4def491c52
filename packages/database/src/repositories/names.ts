import type { Statements } from '../connection.js';
import { Prisma } from '../generated/client.js';
import { ownedSql, type TenantScope } from './scope.js';

const NEWEST = 500;

/** Names in use, for a "did you mean": those of the newest five hundred, newest first. */
export async function namesInUse(
  direct: Statements,
  tenant: TenantScope,
  table: 'dataset' | 'prior',
): Promise<string[]> {
  const rows = await direct.$queryRaw<{ name: string }[]>`
    SELECT name FROM (
      SELECT id, name FROM ${Prisma.raw(table)} WHERE ${ownedSql(tenant, table)} ORDER BY id DESC LIMIT ${NEWEST}) AS newest
    GROUP BY name ORDER BY max(id) DESC`;
  return rows.map(({ name }) => name);
}
