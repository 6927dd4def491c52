/** Assembles the embed worker: ingest, embed and reduce stages. */
import { join } from 'node:path';
import { type Config, requireDatabase } from '@rela/config';
import { migrate, openDatabase } from '@rela/database';
import { openStore } from '@rela/storage';
import { startWorker } from '@rela/worker';
import { pino } from 'pino';
import { createHandlers } from './handlers.js';

export async function startEmbedWorker(config: Config): Promise<{ stop(): Promise<void> }> {
  const { databaseUrl, queueUrl } = requireDatabase(config);
  const log = pino({ name: 'embed-worker', level: config.logLevel });
  await migrate(databaseUrl);
  const database = await openDatabase(databaseUrl);
  const store = openStore(config.storageUrl, { cacheFolder: join(config.home, 'cache') });
  const { handlers, close } = createHandlers({ config, store, log });
  const worker = await startWorker({
    database,
    queueUrl,
    log,
    handlers,
    concurrency: { ingest: 1, embed: config.embedConcurrency, reduce: 1 },
    leaseSeconds: config.leaseSeconds,
    maxAttempts: config.maxAttempts,
  });
  return {
    async stop() {
      await worker.stop();
      await close();
      await database.close();
    },
  };
}
