/** Assembles the train worker: train and evaluate stages, one child process each. */
import { join } from 'node:path';
import { type Config, requireDatabase } from '@rela/config';
import { migrate, openDatabase } from '@rela/database';
import { openStore } from '@rela/storage';
import { startWorker } from '@rela/worker';
import { pino } from 'pino';
import { createHandlers } from './handlers.js';

export async function startTrainWorker(config: Config): Promise<{ stop(): Promise<void> }> {
  const { databaseUrl, queueUrl } = requireDatabase(config);
  const log = pino({ name: 'train-worker', level: config.logLevel });
  await migrate(databaseUrl);
  const database = await openDatabase(databaseUrl);
  const store = openStore(config.storageUrl, { cacheFolder: join(config.home, 'cache') });
  const worker = await startWorker({
    database,
    queueUrl,
    log,
    handlers: createHandlers({ config, database, store, log }),
    concurrency: { train: config.trainConcurrency, evaluate: config.trainConcurrency },
    leaseSeconds: config.leaseSeconds,
    maxAttempts: config.maxAttempts,
  });
  return {
    async stop() {
      await worker.stop();
      await database.close();
    },
  };
}
