/** For tests: the API on a real embedded Postgres and a folder, listening on a free port, with a client. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Config, loadConfig } from '@rela/config';
import { type Database, migrate, openDatabase, startEmbeddedPostgres } from '@rela/database';
import { RelaClient } from '@rela/sdk';
import { openStore } from '@rela/storage';
import { buildApp } from '../app.js';
import type { ApiDependencies } from '../dependencies.js';

export interface TestService extends ApiDependencies {
  app: Awaited<ReturnType<typeof buildApp>>;
  url: string;
  client: RelaClient;
  folder: string;
  postgres: Awaited<ReturnType<typeof startEmbeddedPostgres>>;
  /** A client of another tenant, or of another key. */
  as(apiKey: string): RelaClient;
  close(): Promise<void>;
}

export async function startService(environment: Record<string, string> = {}): Promise<TestService> {
  const folder = await mkdtemp(join(tmpdir(), 'rela-api-'));
  const postgres = await startEmbeddedPostgres({ folder: join(folder, 'postgres') });
  await migrate(postgres.url);
  const database: Database = await openDatabase(postgres.url);
  const config: Config = loadConfig({
    DATABASE_URL: postgres.url,
    RELA_HOME: folder,
    LOG_LEVEL: 'silent',
    ...environment,
  });
  const store = openStore(config.storageUrl);
  const app = await buildApp({ config, database, store });
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  return {
    ...{ app, url, config, database, store, folder, postgres },
    client: new RelaClient({ baseUrl: url }),
    as: (apiKey) => new RelaClient({ baseUrl: url, apiKey }),
    async close() {
      await app.close();
      await database.close();
      await postgres.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
