/**
 * Work that was lost and is found again: stages whose worker fell silent, and messages that Postgres waits for and the
 * queue no longer holds (it was flushed, or a worker took one and died before its claim).
 */
import type { Database } from '@rela/database';
import type { StageQueue } from '@rela/queue';
import type { Logger } from 'pino';
import type { Outages } from './outages.js';

/** A message that was sent this long ago and is not claimed is looked for in the queue, and again each time after. */
export const STALE_SECONDS = 10;

export interface Recovery {
  database: Pick<Database, 'outbox' | 'stages'>;
  queue: Pick<StageQueue, 'missing' | 'send'>;
  outages: Outages;
  log: Pick<Logger, 'warn'>;
  signal: AbortSignal;
}

/** Queues the stages again whose lease ran out. @returns how many */
export async function requeueLost({ database, outages, log }: Recovery): Promise<number> {
  const count = await outages.ask('database', () => database.stages.requeueLost());
  if (count > 0) log.warn({ stages: count }, 'stages whose worker was lost are queued again');
  return count;
}

/**
 * Sends again what the queue lost. Every message that was looked for gets its clock restarted, so that the next look
 * is at others; after a flush the looks follow one another until nothing is missing. @returns how many were sent
 */
export async function resendMissing(recovery: Recovery, olderThanSeconds = STALE_SECONDS): Promise<number> {
  const { database, queue, outages, log, signal } = recovery;
  let sent = 0;
  while (!signal.aborted) {
    const stale = await outages.ask('database', () => database.outbox.stale({ olderThanSeconds }));
    const missing = await outages.ask('queue', () => queue.missing(stale));
    if (missing.length > 0) await outages.ask('queue', () => queue.send(missing));
    if (stale.length > 0)
      await outages.ask('database', () => database.outbox.markSent(stale.map(({ id }) => id)));
    if (missing.length === 0) break;
    sent += missing.length;
  }
  if (sent > 0) log.warn({ messages: sent }, 'the queue had lost messages; they were sent again');
  return sent;
}
