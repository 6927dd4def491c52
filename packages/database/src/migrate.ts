/**
 * Brings a database to the newest migration: applies prisma/migrations in order under an advisory lock and keeps the
 * same table as Prisma's own runner, so that `prisma migrate status` agrees.
 */
import { createHash, randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { whenAvailable } from './available.js';
import { MigrationError } from './errors.js';

/** The key that Prisma's runner locks: the two never run at the same time. */
const PRISMA_LOCK = 72707369;
const CONNECT_MILLISECONDS = 10_000;
const WAIT_MILLISECONDS = 60_000;

export interface Migration {
  name: string;
  sql: string;
  /** sha256 of the file, hexadecimal */
  checksum: string;
}

export interface MigrateOptions {
  /** How long a server that does not answer yet is waited for. Default: a minute. */
  waitMilliseconds?: number;
  /** Folder of `NNNN_name/migration.sql`; absent: this project's. */
  folder?: string;
  /** Name of the last one that is applied. Absent: all. */
  upTo?: string;
}

export const migrationsFolder = fileURLToPath(new URL('../../../prisma/migrations', import.meta.url));

/** All migrations on disk, oldest first. */
export async function readMigrations(folder = migrationsFolder): Promise<Migration[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  return Promise.all(
    names.sort().map(async (name) => {
      const bytes = await readFile(`${folder}/${name}/migration.sql`);
      return {
        name,
        sql: bytes.toString('utf8'),
        checksum: createHash('sha256').update(bytes).digest('hex'),
      };
    }),
  );
}

const CREATE_TABLE = `
  CREATE TABLE IF NOT EXISTS _prisma_migrations (
    id                  VARCHAR(36) PRIMARY KEY NOT NULL,
    checksum            VARCHAR(64) NOT NULL,
    finished_at         TIMESTAMPTZ,
    migration_name      VARCHAR(255) NOT NULL,
    logs                TEXT,
    rolled_back_at      TIMESTAMPTZ,
    started_at          TIMESTAMPTZ NOT NULL DEFAULT now(),
    applied_steps_count INTEGER NOT NULL DEFAULT 0
  )`;

interface AppliedRow {
  migration_name: string;
  checksum: string;
  finished: boolean;
}

function check(applied: AppliedRow[], known: Migration[]): void {
  for (const row of applied) {
    const migration = known.find(({ name }) => name === row.migration_name);
    if (!migration)
      throw new MigrationError(
        `The database holds the migration ${row.migration_name}, which this version does not know. ` +
          'Start a version of the program that is at least as new as the database.',
      );
    if (!row.finished)
      throw new MigrationError(
        `The migration ${row.migration_name} broke off in the middle in this database. ` +
          'Repair it by hand and mark it with `prisma migrate resolve`.',
      );
    if (row.checksum !== migration.checksum)
      throw new MigrationError(
        `The file of migration ${row.migration_name} is not the one that this database was migrated with ` +
          `(sha256 ${migration.checksum} on disk, ${row.checksum} in the database). ` +
          'Restore the file: an applied migration is never edited, a further one changes what it did.',
      );
  }
}

async function apply(client: pg.Client, migration: Migration): Promise<void> {
  await client.query('BEGIN');
  try {
    await client.query(migration.sql);
    await client.query(
      `INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at, applied_steps_count)
       VALUES ($1, $2, $3, clock_timestamp(), 1)`,
      [randomUUID(), migration.checksum, migration.name],
    );
    await client.query('COMMIT');
  } catch (error) {
    if ((error as { severity?: string }).severity === 'ERROR')
      throw new MigrationError(
        `The migration ${migration.name} failed and was rolled back: ${(error as Error).message}.`,
        { cause: error },
      );
    throw error;
  }
}

async function migrateOnce(url: string, known: Migration[], upTo?: string): Promise<string[]> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: CONNECT_MILLISECONDS,
    application_name: 'rela migrate',
  });
  // The query under way fails with the same error; without a listener the process would end as well.
  client.on('error', () => undefined);
  await client.connect();
  try {
    await client.query('SELECT pg_advisory_lock($1)', [PRISMA_LOCK]);
    await client.query(CREATE_TABLE);
    const { rows } = await client.query<AppliedRow>(
      `SELECT migration_name, checksum, finished_at IS NOT NULL AS finished
       FROM _prisma_migrations WHERE rolled_back_at IS NULL ORDER BY migration_name`,
    );
    check(rows, known);
    const pending = known.filter(
      ({ name }) => (upTo === undefined || name <= upTo) && !rows.some((row) => row.migration_name === name),
    );
    for (const migration of pending) await apply(client, migration);
    return pending.map(({ name }) => name);
  } finally {
    // Ends the session, and with it the lock and a transaction that broke off.
    await client.end();
  }
}

/**
 * Applies the migrations that are pending, once, whichever process comes first; waits for a server that is starting.
 * @returns names of those that this call applied
 * @throws MigrationError also where no server answers in time
 */
export async function migrate(url: string, options: MigrateOptions = {}): Promise<string[]> {
  const known = await readMigrations(options.folder);
  const { upTo } = options;
  const deadline = AbortSignal.timeout(options.waitMilliseconds ?? WAIT_MILLISECONDS);
  let failure: unknown;
  const attempt = async () => {
    try {
      return await migrateOnce(url, known, upTo);
    } catch (error) {
      failure = error;
      throw error;
    }
  };
  try {
    return await whenAvailable(attempt, { signal: deadline });
  } catch (error) {
    if (error !== deadline.reason) throw error;
    throw new MigrationError(unreachable(url, failure), { cause: failure });
  }
}

function unreachable(url: string, error: unknown): string {
  const { host } = new URL(url);
  return `No database answers at ${host}: ${(error as Error).message || 'connection refused'}. Start it, or correct DATABASE_URL.`;
}
