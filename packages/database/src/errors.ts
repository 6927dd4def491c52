/** What the database package throws, and how a lost connection is told from a mistake. */

/**
 * The database does not answer: it is starting, restarting, out of connections or out of reach. Nothing is known to be
 * wrong with the request; the pool recovers by itself. A write may or may not have happened.
 */
export class DatabaseUnavailable extends Error {
  readonly code = 'unavailable';
  override readonly name = 'DatabaseUnavailable';

  constructor(cause: unknown) {
    super(
      'The database does not answer. It may be restarting; the same call can be made again in a moment.',
      {
        cause,
      },
    );
  }
}

/** The migrations on disk and those in the database do not fit together; the text says which and what to do. */
export class MigrationError extends Error {
  readonly code = 'migration';
  override readonly name = 'MigrationError';
}

/** Prisma, PostgreSQL and Node each have their own names for the same thing: nobody there, or gone in the middle. */
const UNAVAILABLE_CODES = new Set([
  // Prisma: not reachable, timed out, closed; no connection free, transaction not started or gone, too many clients.
  ...['P1001', 'P1002', 'P1008', 'P1017', 'P2024', 'P2028', 'P2037'],
  // Its adapter, whose raw queries hide the former behind P2010.
  ...['DatabaseNotReachable', 'ConnectionClosed', 'SocketTimeout', 'TooManyConnections'],
  // PostgreSQL: shut down by the administrator, crashed, starting; connection exceptions; too many clients; idle cut.
  ...['57P01', '57P02', '57P03', '08000', '08001', '08003', '08004', '08006', '53300', '25P03'],
  ...[
    'ECONNREFUSED',
    'ECONNRESET',
    'EPIPE',
    'ETIMEDOUT',
    'ENOTFOUND',
    'EAI_AGAIN',
    'EHOSTUNREACH',
    'ENETUNREACH',
  ],
]);
/** pg has no codes for these. */
const UNAVAILABLE_TEXT =
  /Connection terminated|Query read timeout|timeout exceeded when trying to connect|connection error and is not queryable|Client was closed and is not queryable|Server has closed the connection/i;

function* related(error: unknown, depth = 0): Generator<Record<string, unknown>> {
  if (typeof error !== 'object' || error === null || depth > 6) return;
  const record = error as Record<string, unknown>;
  yield record;
  for (const key of ['cause', 'meta', 'driverAdapterError']) yield* related(record[key], depth + 1);
  if (Array.isArray(record.errors)) for (const inner of record.errors) yield* related(inner, depth + 1);
}

function hasCode(error: unknown, codes: ReadonlySet<string>): boolean {
  for (const { code, originalCode, kind } of related(error))
    if ([code, originalCode, kind].some((value) => typeof value === 'string' && codes.has(value)))
      return true;
  return false;
}

/** Whether the database could not be asked, as opposed to having refused. */
export function isUnavailable(error: unknown): boolean {
  if (error instanceof DatabaseUnavailable || hasCode(error, UNAVAILABLE_CODES)) return true;
  for (const { message } of related(error))
    if (typeof message === 'string' && UNAVAILABLE_TEXT.test(message)) return true;
  return false;
}

/** A deadlock or a serialisation failure: the transaction was rolled back and may simply run again. */
export function isConflictOfTransactions(error: unknown): boolean {
  return hasCode(error, new Set(['P2034', '40001', '40P01']));
}

export function isUniqueViolation(error: unknown): boolean {
  return hasCode(error, new Set(['P2002', '23505']));
}
