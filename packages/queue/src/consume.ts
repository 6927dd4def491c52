/**
 * The taking side: what a process does with the messages of its queues.
 *
 *   waiting ─take─▶ being worked on ─┬─ onMessage returns ──────────▶ gone
 *      ▲                             ├─ onMessage throws ───────────▶ gone, reported: Postgres knows what is left to do
 *      │                             ├─ throws while closing ───────▶ waiting
 *      └── lock ran out: taker died ─┴─ arrives while closing ──────▶ waiting
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { DueMessage, type StageKind, StageMessage } from '@rela/contracts';
import { type Job, WaitingError } from 'bullmq';
import { stopReconnecting, Worker } from './backend.js';
import { checkQueue } from './check.js';
import { closeAll, endsWithin } from './closing.js';
import { onceInAWhile } from './faults.js';
import { QUEUES, SCHEDULES } from './names.js';

interface CommonOptions {
  /** Hears of everything that goes wrong; consuming goes on. The same text comes at most once in five seconds. */
  onError: (error: Error) => void;
  /** A consumer that is silent for this long loses its messages to others; 60 where absent. */
  lockSeconds?: number;
}

export interface ConsumeOptions extends CommonOptions {
  /** Messages of a kind that are worked on at once; 1 where absent. */
  concurrency: Partial<Record<StageKind, number>>;
  /**
   * Sees one message through. It may be called again with the same message, also while an earlier call in another
   * process still runs: the claim in Postgres decides. `signal` is aborted when closing takes longer than its grace. `priority` is
   * that which it was sent with: smaller is sooner.
   */
  onMessage: (message: StageMessage, kind: StageKind, signal: AbortSignal, priority: number) => Promise<void>;
}

export interface ConsumeDueOptions extends CommonOptions {
  /** Schedules that are seen to at once. */
  concurrency: number;
  /** A time of this schedule has come. It may be called twice for one time, also by two processes: Postgres decides. */
  onDue: (scheduleId: string) => Promise<void>;
}

export interface Consumer {
  /**
   * Takes nothing more, lets what runs end for `graceSeconds` (30), then aborts its signal. What does not end within
   * five more seconds is left to be delivered again once its lock has run out.
   */
  close(graceSeconds?: number): Promise<void>;
}

const LOCK_SECONDS = 60;
const GRACE_SECONDS = 30;
/** Time that aborted work has to end. */
const ABORTED_MS = 5000;
/** Longest sleep of an idle worker: what a lost wake-up costs. */
const IDLE_SECONDS = 5;
const RETRY_MS = 1000;
/** How often a message may lose its taker before BullMQ drops it. Postgres counts the attempts; BullMQ must not. */
const MOST_REDELIVERIES = 1000;

type BullWorker = InstanceType<typeof Worker<unknown, void>>;

/** A queue, and what is done with a message of it. */
interface Channel {
  queue: string;
  concurrency: number;
  /** The work of a message; null where it is not one of ours. */
  work: (data: unknown, signal: AbortSignal, priority: number) => Promise<void> | null;
}

class BullConsumer implements Consumer {
  readonly #url: string;
  readonly #lockMs: number;
  readonly #report: (error: Error) => void;
  readonly #workers: BullWorker[];
  readonly #running = new Set<Promise<void>>();
  readonly #abort = new AbortController();
  /** Aborted when connections are closed, which is after the work has ended. */
  readonly #disconnecting = new AbortController();
  #closing: Promise<void> | null = null;

  constructor(url: string, channels: readonly Channel[], { onError, lockSeconds }: CommonOptions) {
    this.#url = url;
    this.#lockMs = 1000 * (lockSeconds ?? LOCK_SECONDS);
    this.#report = onceInAWhile(onError);
    this.#workers = channels.map((channel) => this.#open(channel));
  }

  /** Returns when every queue is open, and takes messages from then on. */
  async start(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.waitUntilReady()));
    for (const worker of this.#workers) void this.#keepRunning(worker);
  }

  close(graceSeconds = GRACE_SECONDS): Promise<void> {
    this.#closing ??= this.#close(graceSeconds);
    return this.#closing;
  }

  #open(channel: Channel): BullWorker {
    const worker: BullWorker = new Worker<unknown, void>(
      channel.queue,
      (job, token) => this.#take(job, channel, token),
      {
        connection: { url: this.#url, use: 'take', closing: this.#disconnecting.signal },
        autorun: false,
        concurrency: channel.concurrency,
        lockDuration: this.#lockMs,
        stalledInterval: this.#lockMs / 2,
        maxStalledCount: MOST_REDELIVERIES,
        drainDelay: IDLE_SECONDS,
        runRetryDelay: RETRY_MS,
      },
    );
    worker.on('error', this.#report);
    return worker;
  }

  async #keepRunning(worker: BullWorker): Promise<void> {
    while (!this.#closing) {
      try {
        await worker.run();
      } catch (error) {
        this.#report(error instanceof Error ? error : new Error(String(error)));
        await sleep(RETRY_MS);
      }
    }
  }

  async #take(job: Job<unknown>, channel: Channel, token: string | undefined): Promise<void> {
    if (this.#closing) return putBack(job, token);
    const work = channel.work(job.data, this.#abort.signal, job.priority);
    if (work === null) {
      this.#report(new Error(`Queue ${channel.queue} held a message that is not one of ReLA's: ${job.id}.`));
      return;
    }
    const ended = work.catch(() => undefined);
    this.#running.add(ended);
    try {
      await work;
    } catch (error) {
      if (this.#closing) return putBack(job, token);
      this.#report(error instanceof Error ? error : new Error(String(error)));
    } finally {
      this.#running.delete(ended);
    }
  }

  async #close(graceSeconds: number): Promise<void> {
    for (const worker of this.#workers) await worker.pause(true);
    if (!(await endsWithin(1000 * graceSeconds, this.#idle()))) {
      this.#abort.abort(new Error('The consumer is closing.'));
      await endsWithin(ABORTED_MS, this.#idle());
    }
    await stopReconnecting(this.#url, this.#disconnecting);
    // Forced: BullMQ would wait for work that does not end.
    if (this.#running.size > 0) await Promise.all(this.#workers.map((worker) => worker.close(true)));
    else await closeAll(this.#workers);
  }

  async #idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }
}

/** Gives the message back, so that another worker has it at once. */
async function putBack(job: Job<unknown>, token: string | undefined): Promise<never> {
  await job.moveToWait(token);
  throw new WaitingError();
}

async function start(url: string, channels: readonly Channel[], options: CommonOptions): Promise<Consumer> {
  await checkQueue(url);
  const consumer = new BullConsumer(url, channels, options);
  try {
    await consumer.start();
  } catch (error) {
    await consumer.close(0);
    throw error;
  }
  return consumer;
}

/**
 * Takes messages of `kinds` until closed. A server that goes away and comes back is waited for.
 * @throws ProblemError `unavailable` where the server does not answer now
 * @throws QueueUrlError where the address is wrong, the server refuses us or is too old
 */
export function consume(
  url: string,
  kinds: readonly StageKind[],
  options: ConsumeOptions,
): Promise<Consumer> {
  const channels = kinds.map((kind) => ({
    queue: QUEUES[kind],
    concurrency: options.concurrency[kind] ?? 1,
    work: (data: unknown, signal: AbortSignal, priority: number) => {
      const message = StageMessage.safeParse(data);
      return message.success ? options.onMessage(message.data, kind, signal, priority) : null;
    },
  }));
  return start(url, channels, options);
}

/** Hears when schedules are due, until closed. @throws as `consume` */
export function consumeDue(url: string, options: ConsumeDueOptions): Promise<Consumer> {
  const work = (data: unknown) => {
    const message = DueMessage.safeParse(data);
    return message.success ? options.onDue(message.data.scheduleId) : null;
  };
  return start(url, [{ queue: SCHEDULES, concurrency: options.concurrency, work }], options);
}
