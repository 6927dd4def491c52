/**
 * Assembles the orchestrator: the relay from the outbox to the queue, the release of jobs that wait for others, the recovery of what was lost,
 * schedules, deliveries to webhooks, and the removal of what nobody needs.
 */
import { join } from 'node:path';
import { type Config, requireDatabase } from '@rela/config';
import { type Database, migrate, openDatabase } from '@rela/database';
import { consumeDue, openQueue, openSchedulers } from '@rela/queue';
import { openStore } from '@rela/storage';
import { type Logger, pino } from 'pino';
import { Bell } from './bell.js';
import { settleDependencies } from './dependencies.js';
import { type GarbageOptions, sweepGarbage } from './garbage.js';
import { Outages } from './outages.js';
import { type Recovery, requeueLost, resendMissing } from './recovery.js';
import { relayOutbox } from './relay.js';
import { keepGoing, rest } from './rounds.js';
import { type Firing, fireDue, fireOverdue, lazyPlanner } from './schedules/fire.js';
import { keepSchedulers, type SchedulerKeeping } from './schedules/schedulers.js';
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
const OVERDUE_PAUSE_MS = 3000;
/** The schedulers are looked at this often even where no notification comes. */
const SCHEDULERS_PAUSE_MS = 5000;
const GARBAGE_PAUSE_MS = 3600_000;
/** Schedules that are seen to at once. */
const SCHEDULES_AT_ONCE = 2;
/** Time that the making of jobs has to end when the orchestrator stops. */
const SCHEDULES_GRACE_SECONDS = 5;
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
  const store = openStore(config.storageUrl, { cacheFolder: join(config.home, 'cache') });
  const firing: Firing = { database, store, planner: lazyPlanner(store), outages, log, signal };
  const opened: { close(): Promise<void> }[] = [];
  const close = async () => {
    // At once: each waits for a queue that is away.
    await Promise.all(opened.map((part) => part.close()));
    await database.close();
  };
  try {
    await migrate(databaseUrl);
    const onError = (error: Error) => log.debug({ err: error }, 'a connection to the queue broke');
    const onWarning = (text: string) => log.warn(text);
    const queue = await whenThere('queue', () => openQueue(queueUrl, { onError, onWarning }), waiting);
    opened.push(queue);
    const schedulers = await whenThere('queue', () => openSchedulers(queueUrl, { onError }), waiting);
    opened.push(schedulers);
    const hearDue = () =>
      consumeDue(queueUrl, {
        concurrency: SCHEDULES_AT_ONCE,
        onDue: (scheduleId) => fireDue(firing, scheduleId),
        onError: (error) => log.debug({ err: error }, 'a schedule is seen to later'),
      });
    const due = await whenThere('queue', hearDue, waiting);
    opened.push({ close: () => due.close(SCHEDULES_GRACE_SECONDS) });
    const garbage = { ...config.garbage, database, store, log, signal };
    const deliveries = new Bell();
    const deliverer = new Deliverer({
      ...{ database, outages, log, allowPrivateAddresses: config.privateAddresses },
      ...(options.deliverySchedule ? { schedule: options.deliverySchedule } : {}),
      onEnd: () => deliveries.ring(),
    });
    const loops = startLoops({
      ...{ database, queue, schedulers, outages, log, signal, firing, garbage },
      ...{ deliverer, deliveries },
    });
    log.info('relaying');
    return {
      async stop() {
        stopping.abort();
        await loops;
        await deliverer.stop().catch((error: unknown) => {
          if (!outages.explains(error))
            log.error({ err: error }, 'deliveries were not noted; they are sent again');
        });
        await close();
        log.info('stopped');
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function databaseOptions(config: Config, log: Logger) {
  return {
    // Each loop asks one thing at a time, as each firing does; a sweep holds one and asks by another.
    connections: 9,
    maxAttempts: config.maxAttempts,
    tenantLimits: config.tenantLimits,
    onError: (error: Error) => log.debug({ err: error }, 'a connection to the database broke'),
  };
}

async function startLoops(
  parts: SchedulerKeeping &
    Recovery & {
      database: Database;
      log: Logger;
      firing: Firing;
      garbage: GarbageOptions;
      deliverer: Deliverer;
      deliveries: Bell;
    },
): Promise<void> {
  const { database, outages, signal, deliverer, deliveries } = parts;
  const bell = new Bell();
  const scheduleBell = new Bell();
  let pause = RELAY_PAUSE_MS;
  // Without it they look every few seconds, so nothing waits for this to succeed.
  const listen = async () => {
    await database.outbox.listen(() => bell.ring());
    await database.deliveries.listen(() => deliveries.ring());
    await database.schedules.listen(() => scheduleBell.ring());
  };
  const listening = whenThere('database', listen, { outages, signal });
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
        name: 'the keeping of schedulers',
        work: () => keepSchedulers(parts),
        pause: () => scheduleBell.wait(SCHEDULERS_PAUSE_MS, signal),
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
        name: 'the look for schedules that are overdue',
        work: async () => void (await fireOverdue(parts.firing)),
        pause: () => rest(OVERDUE_PAUSE_MS, signal),
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
        parts.log.error({ err: error }, 'cannot listen to the database; looking every few seconds');
    }),
  ]);
}
