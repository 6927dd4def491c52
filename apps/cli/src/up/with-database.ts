/** The database of the settings, for commands that work on it directly; that of `rela up` is started for as long as they need it where none runs. */
import { join } from 'node:path';
import type { Config } from '@rela/config';
import { findUrl } from './up-file.js';

export async function withDatabase<T>(config: Config, work: (databaseUrl: string) => Promise<T>): Promise<T> {
  if (config.databaseUrl) return work(config.databaseUrl);
  // The database's libraries are large, and most commands do without them.
  const { embeddedPostgresUrl, startEmbeddedPostgres } = await import('@rela/database');
  const folder = join(config.home, 'postgres');
  const running = (await findUrl(config.home)) === null ? null : await embeddedPostgresUrl(folder);
  if (running) return work(running);
  const postgres = await startEmbeddedPostgres({ folder });
  try {
    return await work(postgres.url);
  } finally {
    await postgres.stop();
  }
}
