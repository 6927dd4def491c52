/** API keys as requests carry them. A key that is revoked is forgotten at once, in every process that hears of it, and within seconds in the others. */
import { type Database, digestOfSecret } from '@rela/database';
import type { FastifyBaseLogger } from 'fastify';
import type { Identity } from './identity.js';
import { Remembered } from './remembered.js';

/** Also how long limits of a tenant that were changed take to hold. */
const KEPT_MS = 5000;
const MOST_KEYS = 10_000;

export class KeyRing {
  readonly #known: Remembered<Identity & { expiresAt: Date | null }>;
  #listening: { close(): Promise<void> } | null = null;

  constructor(
    private readonly database: Pick<Database, 'apiKeys'>,
    private readonly log: FastifyBaseLogger,
  ) {
    this.#known = new Remembered(
      async (digest) => {
        const found = await database.apiKeys.identify(digest);
        return found && { ...found, by: found.keyId };
      },
      { milliseconds: KEPT_MS, most: MOST_KEYS },
    );
  }

  async start(): Promise<void> {
    this.#listening = await this.database.apiKeys.listen((digest) => {
      this.log.info('an API key has ended');
      this.#known.forget(digest);
    });
  }

  async stop(): Promise<void> {
    await this.#listening?.close();
  }

  /** Null where it is no key, or none any more. */
  async identify(secret: string): Promise<Identity | null> {
    const found = await this.#known.get(digestOfSecret(secret));
    if (!found || (found.expiresAt && found.expiresAt.getTime() <= Date.now())) return null;
    return found;
  }
}
