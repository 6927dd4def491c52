/** Assembles the embed worker: ingest, embed and reduce stages. */
import { join } from 'node:path';
import { type Config, requireDatabase } from '@rela/config';
import { migrate, openDatabase } from '@rela/database';
import type { Stoppable } from '@rela/process';
import { openStore } from '@rela/storage';
import { startWorker, untilThere } from '@rela/worker';
import { pino } from 'pino';
import { createHandlers } from './handlers.js';

/** @param signal ends the start while it still waits for a server */
export async function startEmbedWorker(config: Config, signal: AbortSignal): Promise<Stoppable> {
  const { databaseUrl, queueUrl } = requireDatabase(config);
  const log = pino({ name: 'embed-worker', level: config.logLevel });
  await untilThere(() => migrate(databaseUrl), signal);
  const database = await untilThere(() => openDatabase(databaseUrl), signal);
  const store = openStore(config.storageUrl, { cacheFolder: join(config.home, 'cache') });
  const { handlers, close } = createHandlers({ config, store, log });
  const options = {
    database,
    queueUrl,
    log,
    handlers,
    concurrency: config.embedConcurrency,
    leaseSeconds: config.leaseSeconds,
    maxAttempts: config.maxAttempts,
    device: 'cpu' as const,
  };
  const closeParts = async () => {
    await close();
    await database.close();
  };
  const worker = await untilThere(() => startWorker(options), signal).catch(async (error: unknown) => {
    // Its idle connections would keep a process for half a minute that has nothing to do.
    await closeParts();
    throw error;
  });
  return {
    async stop() {
      await worker.stop();
      await closeParts();
    },
  };
}
