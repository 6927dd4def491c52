/**
 * All rows of a database, as lines of JSON: read from one snapshot, and put into another database in one transaction. Values pass as text
 * that PostgreSQL wrote and reads, so that nothing is rounded on the way.
 */
import { DEFAULT_TENANT } from '@rela/contracts';
import pg from 'pg';
import { MigrationError } from './errors.js';
import { migrate, readMigrations } from './migrate.js';

/** In an order in which every row finds those that it refers to. `artifact_reference` is made anew by every sweep, `job_label` and `tenant_storage` by triggers. */
export const TABLES = [
  ...[
    'tenant',
    'dataset',
    'prior',
    'artifact',
    'artifact_access',
    'api_key',
    'tenant_usage',
    'job',
    'job_dependency',
    'job_summary',
    'run',
    'model',
  ],
  ...['stage', 'stage_dependency', 'stage_result', 'checkpoint', 'run_metric', 'job_event', 'outbox'],
  ...['idempotency_key', 'webhook', 'webhook_delivery', 'webhook_attempt', 'schedule', 'firing'],
] as const;
export type Table = (typeof TABLES)[number];

/** Whose rows may begin in any state when they are put back. */
const WITH_STATES: readonly Table[] = ['dataset', 'job', 'run', 'stage', 'webhook_delivery'];
const ROWS_AT_ONCE = 500;
const CONNECT_MILLISECONDS = 10_000;

export interface RowBlock {
  table: Table;
  /** JSON objects, one a row. */
  lines: string[];
}

async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: CONNECT_MILLISECONDS });
  // The query under way fails with the same error; without a listener the process would end as well.
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** The newest migration of a database. */
export function migrationOf(url: string): Promise<string> {
  return withClient(url, async (client) => {
    const { rows } = await client.query<{ name: string }>(
      'SELECT max(migration_name) AS name FROM _prisma_migrations WHERE finished_at IS NOT NULL',
    );
    return rows[0]!.name;
  });
}

/** Block by block, all of the moment at which the first is asked for. Memory does not grow with the tables. */
export async function* dumpRows(url: string): AsyncGenerator<RowBlock> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: CONNECT_MILLISECONDS });
  client.on('error', () => undefined);
  await client.connect();
  try {
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    for (const table of TABLES) {
      await client.query(
        `DECLARE rows NO SCROLL CURSOR FOR SELECT row_to_json(one)::text AS line FROM "${table}" AS one`,
      );
      for (;;) {
        const { rows } = await client.query<{ line: string }>(`FETCH ${ROWS_AT_ONCE} FROM rows`);
        if (rows.length === 0) break;
        yield { table, lines: rows.map(({ line }) => line) };
      }
      await client.query('CLOSE rows');
    }
  } finally {
    // Ends the transaction with the session.
    await client.end();
  }
}

/**
 * Brings an empty database to `migration`, puts the rows in and, once `blocks` has ended, commits and migrates on. Where `blocks` throws,
 * nothing is there.
 * @returns how many rows were put in
 * @throws MigrationError where the rows are of a newer version, or the database holds something already
 */
export async function restoreRows(
  url: string,
  { migration, blocks }: { migration: string; blocks: AsyncIterable<RowBlock> },
): Promise<number> {
  if (!(await readMigrations()).some(({ name }) => name === migration))
    throw new MigrationError(
      `The backup is of a database with the migration ${migration}, which this version does not know. Restore it with a version that is at least as new.`,
    );
  await migrate(url, { upTo: migration });
  const count = await withClient(url, async (client) => {
    await client.query('BEGIN');
    // A later migration may bring some of them.
    const there = await client.query<{ name: Table }>(
      `SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' AND tablename = ANY($1)`,
      [TABLES],
    );
    const names = new Set(there.rows.map(({ name }) => name));
    // The tenant that migrations bring is the only row that may be there, and everything else refers to it.
    for (const table of [...TABLES.slice(1), TABLES[0]].filter((name) => names.has(name))) {
      if (table === 'tenant') await client.query('DELETE FROM tenant WHERE id = $1', [DEFAULT_TENANT.id]);
      const { rows } = await client.query(`SELECT 1 FROM "${table}" LIMIT 1`);
      if (rows.length > 0)
        throw new MigrationError(
          `The database is not empty: it has rows in "${table}". Restore into an empty one, such as a new --home.`,
        );
    }
    const states = async (verb: 'DISABLE' | 'ENABLE') => {
      // Absent before the migration that made them.
      for (const table of WITH_STATES)
        await client.query(`DO $$ BEGIN ALTER TABLE "${table}" ${verb} TRIGGER "${table}_transition";
          EXCEPTION WHEN undefined_object OR undefined_table THEN NULL; END $$`);
    };
    await states('DISABLE');
    let put = 0;
    for await (const { table, lines } of blocks) {
      if (!TABLES.includes(table)) throw new MigrationError(`There is no table "${table}".`);
      await client.query(
        `INSERT INTO "${table}" SELECT * FROM json_populate_recordset(NULL::"${table}", $1::json)`,
        [`[${lines.join(',')}]`],
      );
      put += lines.length;
    }
    await client.query(
      `SELECT setval(pg_get_serial_sequence('outbox', 'id'), coalesce(max(id), 0) + 1, false) FROM outbox`,
    );
    await states('ENABLE');
    await client.query('COMMIT');
    return put;
  });
  await migrate(url);
  return count;
}
