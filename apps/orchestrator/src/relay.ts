/**
 * Outbox to queue. A message is marked as sent after it was sent: a relay that dies in between sends it again, and the
 * queue drops it, or a worker's claim does. For the same reason two relays at once are harmless.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Database } from '@rela/database';
import type { StageQueue } from '@rela/queue';
import type { Logger } from 'pino';
import type { Outages } from './outages.js';

/** Messages carried in one go. */
const BATCH = 2000;
/**
 * A look at the outbox costs as much for one message as for hundreds. Where many were carried, workers are at them for longer than this, and
 * meanwhile there is room for more; where few were, the next look is at once.
 */
const MANY = 16;
const PAUSE_MS = 50;

export interface Relay {
  database: Pick<Database, 'outbox'>;
  queue: Pick<StageQueue, 'send'>;
  outages: Outages;
  log: Pick<Logger, 'debug'>;
  signal: AbortSignal;
}

/** Carries over everything that waits in the outbox. @returns how many messages */
export async function relayOutbox({ database, queue, outages, log, signal }: Relay): Promise<number> {
  let sent = 0;
  while (!signal.aborted) {
    const batch = await outages.ask('database', () => database.outbox.take(BATCH));
    if (batch.length === 0) break;
    await outages.ask('queue', () => queue.send(batch));
    await outages.ask('database', () => database.outbox.markSent(batch.map(({ id }) => id)));
    sent += batch.length;
    log.debug({ sent: batch.length }, 'carried messages from the outbox to the queue');
    if (batch.length >= MANY) await sleep(PAUSE_MS, undefined, { signal }).catch(() => undefined);
  }
  return sent;
}
