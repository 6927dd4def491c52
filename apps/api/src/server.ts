/** Starts the API on the address of the config, with its database and its storage, and stops it again. */
import { type Config, requireDatabase } from '@rela/config';
import { migrate, openDatabase } from '@rela/database';
import { openStore } from '@rela/storage';
import { buildApp } from './app.js';

export interface RunningApi {
  /** Address that the API listens on, without a slash at the end. */
  url: string;
  /** Finishes what is under way, ends event streams, closes everything. */
  stop(): Promise<void>;
}

/** @throws ConfigError without a database; what migrating or listening throws */
export async function startApi(config: Config): Promise<RunningApi> {
  const { databaseUrl } = requireDatabase(config);
  await migrate(databaseUrl);
  const database = await openDatabase(databaseUrl, { tenantLimits: config.tenantLimits });
  const { initialKey } = config.api;
  try {
    if (initialKey !== null) await database.apiKeys.ensure(initialKey, { name: 'initial', scope: 'admin' });
    const app = await buildApp({ config, database, store: openStore(config.storageUrl) });
    const url = await app.listen({ host: config.api.host, port: config.api.port });
    return {
      url,
      async stop() {
        await app.close();
        await database.close();
      },
    };
  } catch (error) {
    await database.close();
    throw error;
  }
}
