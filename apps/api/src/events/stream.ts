/** The event stream of one client: server-sent events (HTML standard, section 9.2), read from the database by cursor. */
import { hasEnded, type Job, type JobEvent } from '@rela/contracts';
import type { TenantDatabase } from '@rela/database';
import type { Watcher } from './watchers.js';

/** Events that are read at once: the most that is held for a client which reads slowly. */
const PAGE = 100;
/** A comment this often keeps proxies from closing a quiet stream; events are looked for as often, come what may. */
const HEARTBEAT = 15_000;
/** What a browser waits before it connects again. */
const RETRY = 2000;

/** What others read as well is put into text once. */
const encoded = new WeakMap<JobEvent | Job, string>();

function once<Told extends JobEvent | Job>(told: Told, encodeIt: (told: Told) => string): string {
  const text = encoded.get(told) ?? encodeIt(told);
  encoded.set(told, text);
  return text;
}

const textOf = (event: JobEvent): string => once(event, () => encode(event.type, event, event.sequence));
const progressOf = (job: Job): string => once(job, () => encode('progress', job));

function encode(name: string, data: unknown, id?: number): string {
  const lines = [
    ...(id === undefined ? [] : [`id: ${id}`]),
    `event: ${name}`,
    `data: ${JSON.stringify(data)}`,
  ];
  return `${lines.join('\n')}\n\n`;
}

export interface EventStreamOptions {
  database: Pick<TenantDatabase, 'events' | 'whenAvailable'>;
  jobId: string;
  /** Sequence of the last event that the client has. */
  after: number;
  watcher: Watcher;
  /** Aborted when the client leaves or the server stops. */
  signal: AbortSignal;
  /** Whether who asked may read on: a key may be revoked, or expire, while a stream is open. Asked every `heartbeat`. */
  isStillAllowed: () => Promise<boolean>;
  /** Milliseconds. */
  heartbeat?: number;
}

/**
 * The text of the stream, piece by piece: a piece is made when the one before it was taken, so a client that reads
 * slowly is served from its cursor. Ends after the job's last event, or with the key of who reads. A database that is away is waited for.
 */
export async function* streamEvents(options: EventStreamOptions): AsyncGenerator<string, void, undefined> {
  const { database, jobId, watcher, signal, isStillAllowed, heartbeat = HEARTBEAT } = options;
  let asked = performance.now();
  let cursor = options.after;
  let shown: Job | null = null;
  let isOver = false;
  try {
    yield `retry: ${RETRY}\n\n`;
    while (!signal.aborted) {
      if (performance.now() - asked >= heartbeat) {
        if (!(await isStillAllowed())) return;
        asked = performance.now();
      }
      const events = await database.whenAvailable(() => database.events.list(jobId, cursor, PAGE), {
        signal,
      });
      for (const event of events) {
        cursor = event.sequence;
        yield textOf(event);
        if (event.type === 'job') isOver = hasEnded(event.status);
      }
      if (events.length === PAGE) continue;
      // Not after the first such event: the job may have been sent again since.
      if (isOver) return;
      const { job } = watcher;
      if (job && job !== shown) {
        shown = job;
        yield progressOf(job);
      }
      const news = await watcher.news(heartbeat, signal);
      if (!news && !signal.aborted) yield ': still here\n\n';
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
