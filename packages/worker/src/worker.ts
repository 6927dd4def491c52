/** A worker process: takes messages of its stage kinds and sees each one through. */
import { hostname } from 'node:os';
import type { StageKind } from '@rela/contracts';
import type { Database } from '@rela/database';
import { consume } from '@rela/queue';
import PQueue from 'p-queue';
import { type AttemptOptions, attemptStage, type StageHandler, type WorkerLog } from './attempt.js';

export interface WorkerOptions {
  database: Database;
  queueUrl: string;
  handlers: Partial<Record<StageKind, StageHandler>>;
  /**
   * Stages at once, of all kinds together: two that share the processors would each count the other's time as its own.
   */
  concurrency: number;
  leaseSeconds: number;
  maxAttempts: number;
  /** What it computes on: its seconds are counted as those. */
  device: 'cpu' | 'gpu';
  log: WorkerLog;
}

export interface Worker {
  /** Takes nothing new, hands back what runs, and returns when the last attempt has ended. */
  stop(): Promise<void>;
}

export async function startWorker(options: WorkerOptions): Promise<Worker> {
  const shutdown = new AbortController();
  const running = new Set<Promise<void>>();
  const attempt: AttemptOptions = { ...options, worker: `${hostname()}:${process.pid}` };
  const kinds = Object.keys(options.handlers) as StageKind[];
  const turns = new PQueue({ concurrency: options.concurrency });
  const consumer = await consume(options.queueUrl, kinds, {
    concurrency: Object.fromEntries(kinds.map((kind) => [kind, options.concurrency])),
    onMessage: async (message, _kind, _signal, priority) => {
      // One of each kind is fetched while another runs. Of these too, that of the tenant with the least before it is next.
      const turn = turns.add(() => attemptStage(attempt, message, shutdown.signal), { priority: -priority });
      const work = turn.catch((error: unknown) => {
        if (!shutdown.signal.aborted) options.log.error({ ...message, err: error }, 'attempt broke off');
      });
      running.add(work);
      await work.finally(() => running.delete(work));
    },
    onError: (error) => options.log.warn({ err: error }, 'queue'),
  });
  return {
    async stop() {
      // Closed first, so that no message is fetched that nobody will take.
      const closed = consumer.close();
      shutdown.abort();
      await Promise.all(running);
      await closed;
    },
  };
}
