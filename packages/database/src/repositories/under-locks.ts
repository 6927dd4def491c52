/**
 * Work on many stages at once, each under the lock of its job. Jobs that are free are locked together and their stages go in one transaction. A
 * job whose lock somebody else has is waited for by its own stages alone, which go together again when it is their turn.
 */
import type { Connection, Statements } from '../connection.js';
import { type LockedJob, lockJobsOf } from '../state/events.js';
import { together } from '../together.js';

/** By id. */
export type Jobs = ReadonlyMap<string, LockedJob>;

export interface WorkOnStages<Item, Answer> {
  /** An answer an item, in their order; all of their jobs are locked. */
  work: (tx: Statements, items: Item[], jobs: Jobs) => Promise<Answer[]>;
  /** The answer for a stage that does not exist. */
  nothing: Answer;
  /** Stages in one transaction. */
  most: number;
}

export function underLocks<Item extends { stageId: string }, Answer>(
  { directly }: Pick<Connection, 'directly'>,
  { work, nothing, most }: WorkOnStages<Item, Answer>,
): (item: Item) => Promise<Answer> {
  /** Those who wait for a job that somebody else has. */
  const queues = new Map<string, { users: number; call: (item: Item) => Promise<Answer> }>();

  async function inTurn(jobId: string, item: Item): Promise<Answer> {
    const queue = queues.get(jobId) ?? {
      users: 0,
      call: together((items: Item[]) => all(items, { waits: true }), { most }),
    };
    queues.set(jobId, queue);
    queue.users += 1;
    try {
      return await queue.call(item);
    } finally {
      queue.users -= 1;
      if (queue.users === 0) queues.delete(jobId);
    }
  }

  async function all(items: Item[], { waits }: { waits: boolean }): Promise<(Answer | Promise<Answer>)[]> {
    const { answers, held } = await directly(async (tx) => {
      const locks = await lockJobsOf(tx, [...new Set(items.map(({ stageId }) => stageId))], { waits });
      const free = items.filter(({ stageId }) => locks.free.has(stageId));
      const jobs = [...locks.free.values()].filter((job) => job !== null);
      const done = free.length > 0 ? await work(tx, free, new Map(jobs.map((job) => [job.id, job]))) : [];
      return { answers: new Map(free.map((item, index) => [item, done[index]!])), held: locks.held };
    });
    return items.map((item) => {
      const jobId = held.get(item.stageId);
      return jobId === undefined ? (answers.get(item) ?? nothing) : inTurn(jobId, item);
    });
  }

  return together((items: Item[]) => all(items, { waits: items.length === 1 }), { most });
}
