/**
 * Assembles the orchestrator: the relay from the outbox to the queue, the release of jobs that wait for others, the recovery of what was lost,
 * deliveries to webhooks, and the removal of what nobody needs.
 */
import { join } from 'node:path';
import { type Config, requireDatabase } from '@rela/config';
import { type Database, migrate, openDatabase } from '@rela/database';
import { openQueue, type StageQueue } from '@rela/queue';
import { openStore } from '@rela/storage';
import { type Logger, pino } from 'pino';
import { Bell } from './bell.js';
import { settleDependencies } from './dependencies.js';
import { type GarbageOptions, sweepGarbage } from './garbage.js';
import { Outages } from './outages.js';
import { requeueLost, resendMissing } from './recovery.js';
import { relayOutbox } from './relay.js';
import { keepGoing, rest } from './rounds.js';
import { Deliverer } from './webhooks/deliver.js';

export interface Orchestrator {
  /** Ends the rounds that run and closes every connection. Nothing is lost by it. */
  stop(): Promise<void>;
}

export interface OrchestratorOptions {
  /** Ends the start while it still waits for a server. */
  signal?: AbortSignal;
  log?: Logger;
  /** Seconds after each attempt at a delivery that failed. Default: `RETRY_SECONDS`, over three days. */
  deliverySchedule?: readonly number[];
}

/** The outbox is looked at this often even where no notification comes. */
const RELAY_PAUSE_MS = 1000;
/** While messages are sent, the next look is this soon: places in the queue become free, of which nobody tells. */
const BUSY_RELAY_PAUSE_MS = 20;
const DELIVERY_PAUSE_MS = 1000;
const RECOVERY_PAUSE_MS = 3000;
const DEPENDENCIES_PAUSE_MS = 1000;
const GARBAGE_PAUSE_MS = 3600_000;
const START_BACKOFF_MS = 1000;

/**
 * Calls `open` until its server answers.
 * @throws what `open` throws for other reasons, or the signal's reason
 */
async function whenThere<T>(
  part: 'database' | 'queue',
  open: () => Promise<T>,
  { outages, signal }: { outages: Outages; signal: AbortSignal },
): Promise<T> {
  for (;;) {
    signal.throwIfAborted();
    try {
      return await outages.ask(part, open);
    } catch (error) {
      if (!outages.explains(error)) throw error;
    }
    await rest(START_BACKOFF_MS, signal);
  }
}

/**
 * Starts its loops. Resolves once the database is migrated and both servers answered; waits for them as long
 * as that takes. Several orchestrators at once are harmless.
 * @throws ConfigError without a database, MigrationError, QueueUrlError
 */
export async function startOrchestrator(
  config: Config,
  options: OrchestratorOptions = {},
): Promise<Orchestrator> {
  const { databaseUrl, queueUrl } = requireDatabase(config);
  const log = options.log ?? pino({ name: 'orchestrator', level: config.logLevel });
  const outages = new Outages(log);
  const stopping = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, stopping.signal]) : stopping.signal;

  const waiting = { outages, signal };

  const database = await whenThere(
    'database',
    () => openDatabase(databaseUrl, databaseOptions(config, log)),
    waiting,
  );
  let queue: StageQueue;
  try {
    await migrate(databaseUrl);
    const onError = (error: Error) => log.debug({ err: error }, 'a connection to the queue broke');
    const onWarning = (text: string) => log.warn(text);
    queue = await whenThere('queue', () => openQueue(queueUrl, { onError, onWarning }), waiting);
  } catch (error) {
    await database.close();
    throw error;
  }

  const store = openStore(config.storageUrl, { cacheFolder: join(config.home, 'cache') });
  const garbage = { ...config.garbage, database, store, log, signal };
  const deliveries = new Bell();
  const deliverer = new Deliverer({
    ...{ database, outages, log, allowPrivateAddresses: config.privateAddresses },
    ...(options.deliverySchedule ? { schedule: options.deliverySchedule } : {}),
    onEnd: () => deliveries.ring(),
  });
  const loops = startLoops({ database, queue, outages, log, signal, garbage, deliverer, deliveries });
  log.info('relaying');
  return {
    async stop() {
      stopping.abort();
      await loops;
      await deliverer.stop().catch((error: unknown) => {
        if (!outages.explains(error))
          log.error({ err: error }, 'deliveries were not noted; they are sent again');
      });
      await queue.close();
      await database.close();
      log.info('stopped');
    },
  };
}

function databaseOptions(config: Config, log: Logger) {
  return {
    // Relay, release, recovery and deliveries ask one thing at a time each; a sweep holds one and asks by another.
    connections: 6,
    maxAttempts: config.maxAttempts,
    tenantLimits: config.tenantLimits,
    onError: (error: Error) => log.debug({ err: error }, 'a connection to the database broke'),
  };
}

async function startLoops(parts: {
  database: Database;
  queue: StageQueue;
  outages: Outages;
  log: Logger;
  signal: AbortSignal;
  garbage: GarbageOptions;
  deliverer: Deliverer;
  deliveries: Bell;
}): Promise<void> {
  const { database, outages, signal, deliverer, deliveries } = parts;
  const bell = new Bell();
  let pause = RELAY_PAUSE_MS;
  // Without it they look once a second, so nothing waits for this to succeed.
  const listening = whenThere(
    'database',
    async () => {
      await database.outbox.listen(() => bell.ring());
      await database.deliveries.listen(() => deliveries.ring());
    },
    { outages, signal },
  );
  await Promise.all([
    keepGoing(
      {
        name: 'the relay',
        work: async () => {
          const sent = await relayOutbox(parts);
          pause = sent > 0 ? BUSY_RELAY_PAUSE_MS : Math.min(2 * pause, RELAY_PAUSE_MS);
        },
        pause: () => bell.wait(pause, signal),
      },
      parts,
    ),
    keepGoing(
      {
        name: 'the recovery',
        work: async () => {
          await requeueLost(parts);
          await resendMissing(parts);
        },
        pause: () => rest(RECOVERY_PAUSE_MS, signal),
      },
      parts,
    ),
    keepGoing(
      {
        name: 'the sending to webhooks',
        work: () => deliverer.round(),
        pause: () => deliveries.wait(DELIVERY_PAUSE_MS, signal),
      },
      parts,
    ),
    keepGoing(
      {
        name: 'the release of jobs that wait for others',
        work: async () => void (await settleDependencies(parts)),
        pause: () => rest(DEPENDENCIES_PAUSE_MS, signal),
      },
      parts,
    ),
    keepGoing(
      {
        name: 'the removal of what nobody needs',
        work: async () => void (await sweepGarbage(parts.garbage)),
        pause: () => rest(GARBAGE_PAUSE_MS, signal),
      },
      parts,
    ),
    listening.catch((error: unknown) => {
      if (!signal.aborted)
        parts.log.error({ err: error }, 'cannot listen to the database; looking once a second');
    }),
  ]);
}
