import { expect, it } from 'vitest';
import { connect, type Statements } from '../connection.js';
import { Prisma } from '../generated/client.js';
import { useScratch } from '../testing/scratch.js';

const scratch = useScratch();

const byKeys = Prisma.sql`EXPLAIN SELECT name FROM tenant WHERE id = ANY(${['tnt_1', 'tnt_2']})`;

async function planOf(statements: Statements): Promise<string> {
  const rows = await statements.$queryRaw<{ 'QUERY PLAN': string }[]>(byKeys);
  return rows.map((row) => row['QUERY PLAN']).join('\n');
}

it('reads by an index what is asked by keys, also of a table of one page, and chooses for everything else', async () => {
  const connection = connect(scratch.postgres.url, {
    connections: 1,
    onError: (error) => {
      throw error;
    },
  });
  try {
    await connection.searching.$queryRaw`ANALYZE tenant`;
    expect(await planOf(connection.direct)).toMatch(/^Index Scan using tenant_pkey/);
    expect(await connection.directly(planOf)).toMatch(/^Index Scan using tenant_pkey/);
    expect(await planOf(connection.searching)).toContain('Seq Scan on tenant');
    expect(await planOf(connection.prisma)).toContain('Seq Scan on tenant');
  } finally {
    await connection.close();
  }
});
