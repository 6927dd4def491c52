/**
 * The taking side: what a worker process does with the messages of its stage kinds.
 *
 *   waiting ─take─▶ being worked on ─┬─ onMessage returns ──────────▶ gone
 *      ▲                             ├─ onMessage throws ───────────▶ gone, reported: Postgres knows what is left to do
 *      │                             ├─ throws while closing ───────▶ waiting
 *      └── lock ran out: taker died ─┴─ arrives while closing ──────▶ waiting
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type StageKind, StageMessage } from '@rela/contracts';
import { type Job, WaitingError } from 'bullmq';
import { stopReconnecting, Worker } from './backend.js';
import { checkQueue } from './check.js';
import { closeAll, endsWithin } from './closing.js';
import { onceInAWhile } from './faults.js';
import { QUEUES } from './names.js';

export interface ConsumeOptions {
  /** Messages of a kind that are worked on at once; 1 where absent. */
  concurrency: Partial<Record<StageKind, number>>;
  /**
   * Sees one message through. It may be called again with the same message, also while an earlier call in another
   * process still runs: the claim in Postgres decides. `signal` is aborted when closing takes longer than its grace.
   */
  onMessage: (message: StageMessage, kind: StageKind, signal: AbortSignal) => Promise<void>;
  /** Hears of everything that goes wrong; consuming goes on. The same text comes at most once in five seconds. */
  onError: (error: Error) => void;
  /** A consumer that is silent for this long loses its messages to others; 60 where absent. */
  lockSeconds?: number;
}

export interface StageConsumer {
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

type BullWorker = InstanceType<typeof Worker<StageMessage, void, StageKind>>;

class BullConsumer implements StageConsumer {
  readonly #url: string;
  readonly #options: ConsumeOptions;
  readonly #report: (error: Error) => void;
  readonly #workers: BullWorker[];
  readonly #running = new Set<Promise<void>>();
  readonly #abort = new AbortController();
  /** Aborted when connections are closed, which is after the work has ended. */
  readonly #disconnecting = new AbortController();
  #closing: Promise<void> | null = null;

  constructor(url: string, kinds: readonly StageKind[], options: ConsumeOptions) {
    this.#url = url;
    this.#options = options;
    this.#report = onceInAWhile(options.onError);
    this.#workers = kinds.map((kind) => this.#open(kind));
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

  #open(kind: StageKind): BullWorker {
    const lockMs = 1000 * (this.#options.lockSeconds ?? LOCK_SECONDS);
    const worker: BullWorker = new Worker<StageMessage, void, StageKind>(
      QUEUES[kind],
      (job, token) => this.#take(job, kind, token),
      {
        connection: { url: this.#url, use: 'take', closing: this.#disconnecting.signal },
        autorun: false,
        concurrency: this.#options.concurrency[kind] ?? 1,
        lockDuration: lockMs,
        stalledInterval: lockMs / 2,
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

  async #take(job: Job<StageMessage>, kind: StageKind, token: string | undefined): Promise<void> {
    if (this.#closing) return putBack(job, token);
    const message = StageMessage.safeParse(job.data);
    if (!message.success) {
      this.#report(new Error(`Queue ${QUEUES[kind]} held a message that is not one of ReLA's: ${job.id}.`));
      return;
    }
    const work = this.#options.onMessage(message.data, kind, this.#abort.signal);
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
async function putBack(job: Job<StageMessage>, token: string | undefined): Promise<never> {
  await job.moveToWait(token);
  throw new WaitingError();
}

/**
 * Takes messages of `kinds` until closed. A server that goes away and comes back is waited for.
 * @throws ProblemError `unavailable` where the server does not answer now
 * @throws QueueUrlError where the address is wrong, the server refuses us or is too old
 */
export async function consume(
  url: string,
  kinds: readonly StageKind[],
  options: ConsumeOptions,
): Promise<StageConsumer> {
  await checkQueue(url);
  const consumer = new BullConsumer(url, kinds, options);
  try {
    await consumer.start();
  } catch (error) {
    await consumer.close(0);
    throw error;
  }
  return consumer;
}
