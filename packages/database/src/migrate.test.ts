import { execFile } from 'node:child_process';
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { type EmbeddedPostgres, startEmbeddedPostgres } from './embedded/start.js';
import { migrate, migrationsFolder, readMigrations } from './migrate.js';
import { differenceToSchema } from './testing/schema-engine.js';
import { temporaryFolder } from './testing/scratch.js';

const run = promisify(execFile);
const compiled = fileURLToPath(new URL('../dist/index.js', import.meta.url));
const schemaFile = fileURLToPath(new URL('../../../prisma/schema.prisma', import.meta.url));

let folder: string;
let postgres: EmbeddedPostgres;
let url: string;
let databases = 0;

async function query(text: string, at = url): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: at });
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}

beforeAll(async () => {
  folder = await temporaryFolder();
  postgres = await startEmbeddedPostgres({ folder });
});
beforeEach(async () => {
  const name = `migrated_${++databases}`;
  await query(`CREATE DATABASE ${name}`, postgres.url);
  url = postgres.url.replace(/postgres$/, name);
});
afterAll(async () => {
  await postgres.stop();
  await rm(folder, { recursive: true, force: true });
});

it('applies every migration once when five processes start at once', async () => {
  const program = `import { migrate } from ${JSON.stringify(compiled)};
    process.stdout.write(JSON.stringify(await migrate(${JSON.stringify(url)})));`;
  const applied = await Promise.all(
    [1, 2, 3, 4, 5].map(async () => {
      const { stdout } = await run(process.execPath, ['--input-type=module', '-e', program]);
      return JSON.parse(stdout) as string[];
    }),
  );
  const names = (await readMigrations()).map((migration) => migration.name);
  expect(applied.flat()).toEqual(names);
  const rows = await query('SELECT migration_name AS name FROM _prisma_migrations ORDER BY migration_name');
  expect(rows.map((row) => row.name)).toEqual(names);
});

it('refuses a migration file that was edited after it was applied', async () => {
  await migrate(url);
  const copy = join(folder, 'edited');
  await cp(migrationsFolder, copy, { recursive: true });
  const file = join(copy, '0001_initial', 'migration.sql');
  await writeFile(file, `${await readFile(file, 'utf8')}\n-- an afterthought\n`);
  await expect(migrate(url, { folder: copy })).rejects.toMatchObject({
    code: 'migration',
    message: expect.stringContaining('0001_initial'),
  });
});

it('refuses a database that a newer version has migrated', async () => {
  await migrate(url);
  const empty = join(folder, 'empty');
  await mkdir(empty, { recursive: true });
  await expect(migrate(url, { folder: empty })).rejects.toThrow('does not know');
});

it('rolls a migration that fails back, and says which', async () => {
  const broken = join(folder, 'broken');
  await mkdir(join(broken, '0001_broken'), { recursive: true });
  await writeFile(
    join(broken, '0001_broken', 'migration.sql'),
    'CREATE TABLE half (id int); SELECT nothing;',
  );
  await expect(migrate(url, { folder: broken })).rejects.toThrow('0001_broken');
  expect(await query(`SELECT to_regclass('half') AS half`)).toEqual([{ half: null }]);
  expect(await query('SELECT * FROM _prisma_migrations')).toEqual([]);
});

it('says that nothing answers when nothing does', async () => {
  await expect(migrate('postgres://nobody@127.0.0.1:1/none', { waitMilliseconds: 1 })).rejects.toThrow(
    /No database answers at 127\.0\.0\.1:1/,
  );
});

it('has migrations that amount to the Prisma schema', async () => {
  await migrate(url);
  const schema = await readFile(schemaFile, 'utf8');
  expect(await differenceToSchema(url, schema)).toBe('');
  const changed = schema.replace('eventSequence   Int ', 'eventSequence   BigInt ');
  expect(await differenceToSchema(url, changed)).toContain('"event_sequence" SET DATA TYPE BIGINT');
});
