/**
 * What the orchestrator depends on, and whether it answers. A part that goes away is logged once, and once when it is
 * back, however often it was asked meanwhile.
 *
 *     answering ──call fails: unavailable──▶ away ──call succeeds──▶ answering
 */
import { ProblemError } from '@rela/contracts';
import { DatabaseUnavailable } from '@rela/database';
import type { Logger } from 'pino';

export type Part = 'database' | 'queue' | 'storage';

function saysUnavailable(error: unknown): boolean {
  if (error instanceof DatabaseUnavailable) return true;
  return error instanceof ProblemError && error.code === 'unavailable';
}

export class Outages {
  readonly #away = new Map<Part, number>();
  readonly #log: Pick<Logger, 'info' | 'warn'>;

  constructor(log: Pick<Logger, 'info' | 'warn'>) {
    this.#log = log;
  }

  /** Whether `error` says no more than that a part is away, which was logged by `ask`. */
  explains(error: unknown): boolean {
    return saysUnavailable(error);
  }

  /** Makes the call and notes whether `part` answered it. @throws what the call throws */
  async ask<T>(part: Part, call: () => Promise<T>): Promise<T> {
    let answer: T;
    try {
      answer = await call();
    } catch (error) {
      // What asks the storage may ask the database on the way.
      if (saysUnavailable(error))
        this.#missed(error instanceof DatabaseUnavailable ? 'database' : part, error);
      throw error;
    }
    this.#answered(part);
    return answer;
  }

  #missed(part: Part, error: unknown): void {
    if (this.#away.has(part)) return;
    this.#away.set(part, performance.now());
    this.#log.warn({ part, err: error }, `the ${part} does not answer; waiting for it`);
  }

  #answered(part: Part): void {
    const since = this.#away.get(part);
    if (since === undefined) return;
    this.#away.delete(part);
    const seconds = Math.round((performance.now() - since) / 100) / 10;
    this.#log.info({ part, seconds }, `the ${part} answers again`);
  }
}
