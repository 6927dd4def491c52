/**
 * Idempotency-Key: a POST that is sent twice is done once. The key is taken before the work, and given its answer in the
 * transaction that does it. Only an answer that made something is kept: a refused or failed request frees its key again.
 */
import { createHash } from 'node:crypto';
import { ProblemError } from '@rela/contracts';
import type { TenantDatabase, Transaction } from '@rela/database';
import type { FastifyBaseLogger } from 'fastify';
import { z } from 'zod';

/** Headers of every POST. Loose: the other headers stay. */
export const IdempotencyHeaders = z.looseObject({
  'idempotency-key': z
    .string()
    .min(1)
    .max(255)
    .optional()
    .describe('any text of your own; the same request under the same key is done once (kept for 24 hours)'),
});

/** What a POST answers with. */
export interface Answer<T> {
  status: 200 | 201 | 202;
  location?: string;
  body: T;
}

interface Request {
  method: string;
  url: string;
  log: FastifyBaseLogger;
  database: Pick<TenantDatabase, 'idempotency' | 'transaction'>;
  headers: { 'idempotency-key'?: string | undefined };
}

interface Reply {
  code(status: number): unknown;
  header(name: string, value: string): unknown;
}

function digestOf(...parts: string[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${part.length}:${part}`);
  return hash.digest('hex');
}

/** What is done once: a request, or one of many in it. */
interface Wish {
  /** Undefined: every time anew. */
  key: string | undefined;
  route: string;
  /** Stands for the body: equal content is the same request. */
  content: unknown;
  log: FastifyBaseLogger;
}

/** Writes what was asked for: in the transaction that it is given, or else in one of its own. */
type Writing<T> = (tx: Transaction | undefined) => Promise<Answer<T>>;

/**
 * Does what is asked once for a key. `prepare` looks up and checks; what it returns writes, with a key in one transaction with the answer. What
 * is the same however often it is done may be done in `prepare`.
 * @throws ProblemError `idempotency-mismatch`, `idempotency-in-progress`, and what `prepare` and the writing throw
 */
export async function answerOnce<T>(
  { idempotency, transaction }: Pick<TenantDatabase, 'idempotency' | 'transaction'>,
  { key, route, content, log }: Wish,
  prepare: () => Promise<Writing<T>>,
): Promise<Answer<T> & { isReplayed: boolean }> {
  if (key === undefined) return { ...(await (await prepare())(undefined)), isReplayed: false };
  const begun = await idempotency.begin({
    key,
    route,
    requestDigest: digestOf(route, key, JSON.stringify(content ?? null)),
  });
  switch (begun.state) {
    case 'new':
      break;
    case 'done': {
      const { status, headers, body } = begun;
      const answer = { status: status as Answer<T>['status'], body: body as T, isReplayed: true };
      return headers.location === undefined ? answer : { ...answer, location: headers.location };
    }
    case 'in-progress':
      throw new ProblemError(
        'idempotency-in-progress',
        `A request with the Idempotency-Key "${key}" is under way. Send it again in a second to get its answer.`,
      );
    case 'mismatch':
      throw new ProblemError(
        'idempotency-mismatch',
        `The Idempotency-Key "${key}" was used for another request. Take a new key for a new request.`,
      );
    default:
      return begun satisfies never;
  }
  const { held } = begun;
  try {
    const create = await prepare();
    const answer = await transaction(async (tx) => {
      const made = await create(tx);
      const headers: Record<string, string> = made.location === undefined ? {} : { location: made.location };
      await idempotency.finish(held, { status: made.status, headers, body: made.body }, tx);
      return made;
    });
    return { ...answer, isReplayed: false };
  } catch (error) {
    await idempotency.abandon(held).catch((abandonError: unknown) => {
      log.warn({ err: abandonError, key }, 'an idempotency key stays taken until it expires');
    });
    throw error;
  }
}

/** The same for a whole request: returns the body of the answer, and sets status and Location on `reply`. @throws as `answerOnce` */
export async function once<T>(
  { database, method, url, headers, log }: Request,
  reply: Reply,
  content: unknown,
  prepare: () => Promise<Writing<T>>,
): Promise<T> {
  const route = `${method} ${url.split('?', 1)[0]}`;
  const wish = { key: headers['idempotency-key'], route, content, log };
  const { status, location, body, isReplayed } = await answerOnce(database, wish, prepare);
  if (isReplayed) reply.header('idempotency-replayed', 'true');
  reply.code(status);
  if (location !== undefined) reply.header('location', location);
  return body;
}
