/** The sending side: what the orchestrator puts into the queues, under ids that make sending twice the same as once. */
import { StageKind, type StageMessage } from '@rela/contracts';
import { Queue, type QueueConnection, stopReconnecting } from './backend.js';
import { checkQueue } from './check.js';
import { closeAll } from './closing.js';
import { onceInAWhile } from './faults.js';
import { QUEUES } from './names.js';
import { reach } from './reach.js';

export interface QueuedStage extends StageMessage {
  kind: StageKind;
  /** Milliseconds before it may be taken. */
  delayMs?: number;
  /** Smaller is sooner, from 0 (the default) to 2^21 − 1; equal ones in the order of sending. */
  priority?: number;
}

/** BullMQ's own limit. */
const LOWEST_PRIORITY = 2 ** 21 - 1;

export interface StageQueue {
  /**
   * Sends the messages. One that waits already, or is being worked on, under the same stage and dispatch is not sent
   * again; one that was taken and done is, which is harmless: Postgres refuses a claim on a stage that moved on.
   * @throws ProblemError `unavailable`; then some may have been sent, and sending all again is right
   */
  send(messages: readonly QueuedStage[]): Promise<void>;
  /**
   * Those of the messages that the queue does not hold: neither waiting, delayed nor being worked on.
   * @throws ProblemError `unavailable`
   */
  missing<M extends QueuedStage>(messages: readonly M[]): Promise<M[]>;
  close(): Promise<void>;
}

/** Messages sent, or asked about, in one go. */
const CHUNK = 500;
/** Up to so many are added each by itself: on Postgres BullMQ makes two temporary tables for many at once, which takes as long as ten messages. */
const FEW = 8;
/** BullMQ keeps a log of events a queue, which nobody reads here. */
export const EVENTS_KEPT = 100;

type BullQueue = InstanceType<typeof Queue<StageMessage, void, StageKind>>;

/** Stage and dispatch in one BullMQ job id. BullMQ forbids whole numbers and colons. */
function messageId({ stageId, dispatch }: StageMessage): string {
  return `${stageId}.${dispatch}`;
}

function toBullJob({ kind, stageId, dispatch, delayMs = 0, priority = 0 }: QueuedStage) {
  const jobId = messageId({ stageId, dispatch });
  return {
    name: kind,
    data: { stageId, dispatch },
    opts: { jobId, delay: Math.max(0, delayMs), priority: Math.min(Math.max(0, priority), LOWEST_PRIORITY) },
  };
}

/** The messages of each kind in chunks, in their order. */
function* chunksByKind<M extends QueuedStage>(messages: readonly M[]): Generator<[StageKind, M[]]> {
  for (const kind of StageKind.options) {
    const ofKind = messages.filter((message) => message.kind === kind);
    for (let start = 0; start < ofKind.length; start += CHUNK)
      yield [kind, ofKind.slice(start, start + CHUNK)];
  }
}

class BullStageQueue implements StageQueue {
  readonly #url: string;
  readonly #queues: ReadonlyMap<StageKind, BullQueue>;
  readonly #closing = new AbortController();

  constructor(url: string, onError: (error: Error) => void) {
    this.#url = url;
    const connection: QueueConnection = { url, use: 'send', closing: this.#closing.signal };
    this.#queues = new Map(StageKind.options.map((kind) => [kind, openOne(connection, kind, onError)]));
  }

  async ready(): Promise<void> {
    await reach(this.#url, () =>
      Promise.all([...this.#queues.values()].map((queue) => queue.waitUntilReady())),
    );
  }

  async send(messages: readonly QueuedStage[]): Promise<void> {
    for (const [kind, chunk] of chunksByKind(messages)) {
      const queue = this.#queue(kind);
      const jobs = chunk.map(toBullJob);
      await reach(this.#url, () =>
        jobs.length > FEW
          ? queue.addBulk(jobs)
          : Promise.all(jobs.map(({ name, data, opts }) => queue.add(name, data, opts))),
      );
    }
  }

  async missing<M extends QueuedStage>(messages: readonly M[]): Promise<M[]> {
    const absent: M[] = [];
    for (const [kind, chunk] of chunksByKind(messages)) {
      const queue = this.#queue(kind);
      const states = await reach(this.#url, () =>
        Promise.all(chunk.map((message) => queue.getJobState(messageId(message)))),
      );
      absent.push(...chunk.filter((_, index) => states[index] === 'unknown'));
    }
    return absent;
  }

  async close(): Promise<void> {
    await stopReconnecting(this.#url, this.#closing);
    await closeAll([...this.#queues.values()]);
  }

  #queue(kind: StageKind): BullQueue {
    return this.#queues.get(kind) as BullQueue;
  }
}

function openOne(connection: QueueConnection, kind: StageKind, onError: (error: Error) => void): BullQueue {
  const queue: BullQueue = new Queue<StageMessage, void, StageKind>(QUEUES[kind], {
    connection,
    defaultJobOptions: { attempts: 1, removeOnComplete: true, removeOnFail: true },
    streams: { events: { maxLen: EVENTS_KEPT } },
  });
  queue.on('error', onError);
  return queue;
}

export interface OpenQueueOptions {
  /** Hears of connections that break while nothing is under way; such an error shows at the next call anyway. */
  onError?: (error: Error) => void;
  /** Told in a sentence what the server's administrator should change, at the opening alone. */
  onWarning?: (text: string) => void;
}

/**
 * Opens the queues of all stage kinds for sending.
 * @throws ProblemError `unavailable` where the server does not answer now
 * @throws QueueUrlError where the address is wrong, the server refuses us or is too old
 */
export async function openQueue(
  url: string,
  { onError = () => undefined, onWarning }: OpenQueueOptions = {},
): Promise<StageQueue> {
  await checkQueue(url, onWarning);
  const queue = new BullStageQueue(url, onceInAWhile(onError));
  try {
    await queue.ready();
  } catch (error) {
    await queue.close();
    throw error;
  }
  return queue;
}
