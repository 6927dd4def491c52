/** Assembles the train worker: train and evaluate stages, one child process each. */
import { join } from 'node:path';
import { type Config, ConfigError, requireDatabase } from '@rela/config';
import { migrate, openDatabase } from '@rela/database';
import { chooseEngine, EngineError, type EngineName } from '@rela/engine';
import type { Stoppable } from '@rela/process';
import { openStore } from '@rela/storage';
import { startWorker, untilThere } from '@rela/worker';
import { pino } from 'pino';
import { createHandlers } from './handlers.js';

/** Asked before a stage is claimed: a machine that cannot train leaves the work to others. @throws ConfigError */
async function engineOf({ engine }: Config): Promise<EngineName> {
  try {
    return await chooseEngine(engine);
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    throw new ConfigError(`ENGINE=${engine}: ${error.message}`, { cause: error });
  }
}

/** @param signal ends the start while it still waits for a server */
export async function startTrainWorker(config: Config, signal: AbortSignal): Promise<Stoppable> {
  const { databaseUrl, queueUrl } = requireDatabase(config);
  const log = pino({ name: 'train-worker', level: config.logLevel });
  const engine = await engineOf(config);
  log.info({ engine }, `trains with the engine ${engine}`);
  await untilThere(() => migrate(databaseUrl), signal);
  const database = await untilThere(() => openDatabase(databaseUrl), signal);
  const store = openStore(config.storageUrl, { cacheFolder: join(config.home, 'cache') });
  const options = {
    database,
    queueUrl,
    log,
    handlers: createHandlers({ config, engine, database, store, log }),
    concurrency: config.trainConcurrency,
    leaseSeconds: config.leaseSeconds,
    maxAttempts: config.maxAttempts,
    // The compiled engine runs on processors; the others are there for a GPU.
    device: engine === 'compiled' ? ('cpu' as const) : ('gpu' as const),
  };
  const worker = await untilThere(() => startWorker(options), signal).catch(async (error: unknown) => {
    // Its idle connections would keep a process for half a minute that has nothing to do.
    await database.close();
    throw error;
  });
  return {
    async stop() {
      await worker.stop();
      await database.close();
    },
  };
}
