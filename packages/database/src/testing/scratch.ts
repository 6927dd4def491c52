/** A database of its own for one test file: a real Postgres in a temporary folder, migrated, opened. */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { type Database, openDatabase } from '../database.js';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../embedded/start.js';
import { migrate } from '../migrate.js';

export interface Scratch {
  database: Database;
  postgres: EmbeddedPostgres;
  folder: string;
}

/** A temporary folder that the server's user may enter; its name has a space on purpose. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'rela database '));
  await chmod(folder, 0o755);
  return folder;
}

/** Registers the hooks of a test file; the returned object is filled before its first test. */
export function useScratch(): Scratch {
  const scratch = {} as Scratch;
  beforeAll(async () => {
    scratch.folder = await temporaryFolder();
    scratch.postgres = await startEmbeddedPostgres({ folder: scratch.folder });
    await migrate(scratch.postgres.url);
    scratch.database = await openDatabase(scratch.postgres.url, { connections: 10 });
  });
  afterAll(async () => {
    await scratch.database?.close();
    await scratch.postgres?.stop();
    await rm(scratch.folder, { recursive: true, force: true });
  });
  return scratch;
}
