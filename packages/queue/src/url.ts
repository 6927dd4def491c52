/** Queue URLs: which server one names, and how it and its errors are shown. */
import { parseRedisUrl, type RedisServer } from './redis-url.js';

export type QueueServer = { kind: 'postgres'; url: string } | RedisServer;

/** The queue's address cannot be used as it stands; the text names the setting. */
export class QueueUrlError extends Error {
  readonly code = 'invalid-queue-url';
  override readonly name = 'QueueUrlError';
}

const FORMS = [
  'redis://user:password@host:6379/0',
  'rediss:// for TLS',
  'redis+sentinel://host1:26379,host2:26379/master/0',
  'redis+cluster://host1:6379,host2:6379',
  'postgres://user:password@host:5432/database',
].join(', ');

/** @throws QueueUrlError where `url` is neither a Redis nor a PostgreSQL address, or has parts that mean nothing */
export function parseQueueUrl(url: string): QueueServer {
  const scheme = url.match(/^[\w+]+(?=:\/\/)/)?.[0] ?? '';
  if (/^postgres(ql)?$/.test(scheme)) return { kind: 'postgres', url };
  if (!/^rediss?(\+(sentinel|cluster))?$/.test(scheme))
    throw new QueueUrlError(`QUEUE_URL has the scheme "${scheme}". It takes ${FORMS}.`);
  try {
    return parseRedisUrl(url);
  } catch (error) {
    throw new QueueUrlError(
      `QUEUE_URL ${redacted(url)} is not valid: ${reasonOf(error)}. It takes ${FORMS}.`,
      {
        cause: error,
      },
    );
  }
}

/** `url` without user, password and query: what may stand in a log or an error. */
export function redacted(url: string): string {
  return url.replace(/^([\w+]+:\/\/)(?:[^/?#]*@)?([^?#]*).*$/s, '$1$2');
}

/** Without a full stop. Node reports every address that it tried as one error without a text of its own. */
export function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join('; ');
  return (error instanceof Error ? error.message : String(error)).replace(/\.$/, '');
}
