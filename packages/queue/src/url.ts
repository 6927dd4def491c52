/** Queue URLs: which server one names, and how it and its errors are shown. */

export type ServerKind = 'postgres' | 'redis';

const SCHEMES: Record<string, ServerKind> = {
  'postgres:': 'postgres',
  'postgresql:': 'postgres',
  'redis:': 'redis',
  'rediss:': 'redis',
};

/** The queue's address cannot be used; the text names the setting. */
export class QueueUrlError extends Error {
  readonly code = 'invalid-queue-url';
  override readonly name = 'QueueUrlError';
}

/** @throws QueueUrlError where `url` is neither a Redis nor a PostgreSQL address */
export function serverKind(url: string): ServerKind {
  const scheme = URL.canParse(url) ? new URL(url).protocol : '';
  const kind = SCHEMES[scheme];
  if (kind) return kind;
  throw new QueueUrlError(
    `QUEUE_URL has the scheme "${scheme}". Use redis://, rediss://, postgres:// or postgresql://.`,
  );
}

/** `url` without user, password and query: what may stand in a log or an error. */
export function redacted(url: string): string {
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname}`;
}

/** Node reports every address that it tried as one error without a text of its own. */
export function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join('; ');
  return error instanceof Error ? error.message : String(error);
}
