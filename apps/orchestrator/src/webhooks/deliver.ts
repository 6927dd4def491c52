/**
 * Sends what webhooks are to be told, several at a time and a few of each webhook, so that one that is slow or dead holds up no other. What
 * became of them is written down before more is claimed, in one statement: a process that dies before has its deliveries sent again.
 */
import type { ClaimedDelivery, Database, DeliveryOutcome } from '@rela/database';
import type { Logger } from 'pino';
import type { Outages } from '../outages.js';
import { rest } from '../rounds.js';
import { RETRY_SECONDS, retryAfter } from './schedule.js';
import { type Answer, sendDelivery } from './send.js';

/** Under way in one process. */
const AT_ONCE = 512;
/** Of one webhook under way, over all processes. */
const PER_WEBHOOK = 4;
const TIMEOUT_SECONDS = 10;
/** Longer than an attempt: who is silent for so long is gone. */
const LEASE_SECONDS = 3 * TIMEOUT_SECONDS;
/** What is under way at a shutdown may take so long. */
const LAST_MS = 3000;
const GONE = 410;

export interface DeliveryOptions {
  database: Pick<Database, 'deliveries'>;
  outages: Outages;
  log: Pick<Logger, 'debug' | 'warn'>;
  allowPrivateAddresses: boolean;
  /** Told when one has ended: there is something to note, and room for another. */
  onEnd: () => void;
  /** Seconds after each attempt that failed. */
  schedule?: readonly number[];
}

function outcomeOf(
  { id, attempt, failures, type }: ClaimedDelivery,
  answer: Answer,
  schedule: readonly number[],
): DeliveryOutcome {
  const { wishedSeconds, ...kept } = answer;
  const isGone = answer.status === GONE;
  // A ping says whether it arrives now.
  const isLast = isGone || type === 'webhook.ping';
  return {
    ...{ id, attempt, ...kept, counts: answer.error !== null },
    retrySeconds:
      answer.error === null || isLast
        ? null
        : retryAfter({ failures: failures + 1, wishedSeconds }, { schedule }),
    disable: isGone ? 'It answered 410: nobody is there any more.' : null,
  };
}

export class Deliverer {
  readonly #options: DeliveryOptions;
  readonly #stopping = new AbortController();
  readonly #underWay = new Set<Promise<void>>();
  #ended: DeliveryOutcome[] = [];

  constructor(options: DeliveryOptions) {
    this.#options = options;
  }

  /** Notes what has ended and begins what is due. */
  async round(): Promise<void> {
    const { database, outages } = this.#options;
    await this.#note();
    const limit = AT_ONCE - this.#underWay.size;
    if (limit <= 0) return;
    const claimed = await outages.ask('database', () =>
      database.deliveries.claim({ limit, perWebhook: PER_WEBHOOK, leaseSeconds: LEASE_SECONDS }),
    );
    for (const delivery of claimed) this.#begin(delivery);
  }

  /** Gives what is under way a moment, hands the rest back, and notes all of it. */
  async stop(): Promise<void> {
    const all = Promise.all(this.#underWay);
    await Promise.race([all, rest(LAST_MS, this.#stopping.signal)]);
    this.#stopping.abort();
    await all;
    await this.#note();
  }

  #begin(delivery: ClaimedDelivery): void {
    const { signal } = this.#stopping;
    const { allowPrivateAddresses, schedule = RETRY_SECONDS, log, onEnd } = this.#options;
    const sending = sendDelivery(delivery, {
      timeoutSeconds: TIMEOUT_SECONDS,
      allowPrivateAddresses,
      signal,
    }).then((answer) => {
      this.#underWay.delete(sending);
      const wasStopped = signal.aborted && answer.error !== null;
      const outcome = outcomeOf(delivery, answer, schedule);
      this.#ended.push(wasStopped ? { ...outcome, retrySeconds: 0, counts: false, disable: null } : outcome);
      const { id, webhookId, type, attempt } = delivery;
      log.debug(
        { delivery: id, webhook: webhookId, type, attempt, status: answer.status },
        'sent to a webhook',
      );
      if (outcome.disable)
        log.warn({ webhook: webhookId }, 'a webhook is switched off: nobody is there any more');
      onEnd();
    });
    this.#underWay.add(sending);
  }

  async #note(): Promise<void> {
    const { database, outages } = this.#options;
    const ended = this.#ended;
    // The database would not be asked, and nothing is to be said of it.
    if (ended.length === 0) return;
    this.#ended = [];
    try {
      await outages.ask('database', () => database.deliveries.note(ended));
    } catch (error) {
      this.#ended = [...ended, ...this.#ended];
      throw error;
    }
  }
}
