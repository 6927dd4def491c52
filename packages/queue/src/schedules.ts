/**
 * BullMQ's job schedulers: each holds one message that comes when its schedule is due, and makes the next as that is taken. They say when;
 * what is to be done is in Postgres, which also says which of them there have to be.
 */
import type { DueMessage, Timetable } from '@rela/contracts';
import { Queue, type QueueConnection, stopReconnecting } from './backend.js';
import { checkQueue } from './check.js';
import { closeAll } from './closing.js';
import { onceInAWhile } from './faults.js';
import { SCHEDULES } from './names.js';
import { reach } from './reach.js';
import { EVENTS_KEPT, type OpenQueueOptions } from './send.js';

export interface Scheduler extends Timetable {
  scheduleId: string;
  /** Another one with every change of the schedule: a scheduler is replaced, never altered. */
  revision: number;
}

export interface Schedulers {
  /**
   * Makes the queue hold these and no others: adds what is missing, also where a scheduler has lost its message, and removes the rest.
   * @throws ProblemError `unavailable`; then some may have been seen to, and calling again is right
   */
  keep(wanted: readonly Scheduler[]): Promise<{ made: number; removed: number }>;
  close(): Promise<void>;
}

/** The message of a scheduler is looked for when it is due so soon, or was. */
const LOOK_AHEAD_MS = 60_000;
const PAGE = 500;

type DueQueue = InstanceType<typeof Queue<DueMessage, void>>;

const keyOf = ({ scheduleId, revision }: Scheduler): string => `${scheduleId}.${revision}`;

class BullSchedulers implements Schedulers {
  readonly #url: string;
  readonly #queue: DueQueue;
  readonly #closing = new AbortController();

  constructor(url: string, onError: (error: Error) => void) {
    this.#url = url;
    const connection: QueueConnection = { url, use: 'send', closing: this.#closing.signal };
    this.#queue = new Queue<DueMessage, void>(SCHEDULES, {
      connection,
      defaultJobOptions: { attempts: 1, removeOnComplete: true, removeOnFail: true },
      streams: { events: { maxLen: EVENTS_KEPT } },
    });
    this.#queue.on('error', onError);
  }

  async ready(): Promise<void> {
    await reach(this.#url, () => this.#queue.waitUntilReady());
  }

  async keep(wanted: readonly Scheduler[]): Promise<{ made: number; removed: number }> {
    const held = await this.#held();
    const keys = new Set(wanted.map(keyOf));
    const missing: Scheduler[] = [];
    for (let start = 0; start < wanted.length; start += PAGE) {
      const page = wanted.slice(start, start + PAGE);
      const there = await Promise.all(
        page.map(async (scheduler) => {
          const next = held.get(keyOf(scheduler));
          return next !== undefined && (await this.#hasMessage(keyOf(scheduler), next));
        }),
      );
      missing.push(...page.filter((_, place) => !there[place]));
    }
    const foreign = [...held.keys()].filter((key) => !keys.has(key));
    for (const key of foreign) await reach(this.#url, () => this.#queue.removeJobScheduler(key));
    for (const scheduler of missing) {
      const { scheduleId, cron: pattern, timeZone: tz } = scheduler;
      await reach(this.#url, () =>
        this.#queue.upsertJobScheduler(
          keyOf(scheduler),
          { pattern, tz },
          { name: 'due', data: { scheduleId } },
        ),
      );
    }
    return { made: missing.length, removed: foreign.length };
  }

  async close(): Promise<void> {
    await stopReconnecting(this.#url, this.#closing);
    await closeAll([this.#queue]);
  }

  /** The schedulers that are there, each with the time of its next message, in milliseconds. */
  async #held(): Promise<Map<string, number>> {
    const held = new Map<string, number>();
    for (let start = 0; ; start += PAGE) {
      const page = await reach(this.#url, () => this.#queue.getJobSchedulers(start, start + PAGE - 1, true));
      for (const { key, next } of page) held.set(key, next ?? 0);
      if (page.length < PAGE) return held;
    }
  }

  /** BullMQ names the message of a scheduler by its time. One that is being worked on counts as there. */
  async #hasMessage(key: string, next: number): Promise<boolean> {
    if (next > Date.now() + LOOK_AHEAD_MS) return true;
    const state = await reach(this.#url, () => this.#queue.getJobState(`repeat:${key}:${next}`));
    return state !== 'unknown';
  }
}

/** Opens the queue of schedules that are due. @throws as `openQueue` */
export async function openSchedulers(
  url: string,
  { onError = () => undefined }: Pick<OpenQueueOptions, 'onError'> = {},
): Promise<Schedulers> {
  await checkQueue(url);
  const schedulers = new BullSchedulers(url, onceInAWhile(onError));
  try {
    await schedulers.ready();
  } catch (error) {
    await schedulers.close();
    throw error;
  }
  return schedulers;
}
