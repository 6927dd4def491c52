/**
 * BullMQ's classes bound to the server that a URL names. Nothing else in ReLA looks at the scheme of QUEUE_URL, and
 * BullMQ's process-wide default backend stays untouched: one process may use both servers at once.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { createPostgresBackend, type IQueueBackend, withBackend } from 'bullmq';
import { checkQueue } from './check.js';
import { connectRedis } from './redis.js';
import { type ConnectRedis, createBackend } from './redis-backend.js';
import type { RedisServer } from './redis-url.js';
import { parseQueueUrl } from './url.js';

/** What a connection is for decides how long its commands wait for a server that is away. */
export interface QueueConnection {
  url: string;
  /** `send`: a command fails after a few seconds, the caller tries again. `take`: it waits until the server is back. */
  use: 'send' | 'take';
  /** Aborted when the connection is being closed: a server that is away is not waited for any more. */
  closing: AbortSignal;
}

const CONNECT_TIMEOUT_MS = 10_000;
const LONGEST_RECONNECT_DELAY_MS = 2000;
/** Time in which a refused attempt is noticed. */
const LAST_ATTEMPT_MS = 200;
/** Reconnections after which a command of a sender fails: about three seconds. */
const SENDER_RETRIES = 5;
/** A machine that is gone closes no connection, and the system would try it for a quarter of an hour. */
const SILENCE_MS = 8000;

function connecting(server: RedisServer, { use, closing }: QueueConnection): ConnectRedis {
  return (purpose, name) =>
    connectRedis(server, {
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      commandRetries: use === 'send' ? SENDER_RETRIES : null,
      retryAfter: (attempts) =>
        closing.aborted ? null : Math.min(200 * attempts, LONGEST_RECONNECT_DELAY_MS),
      // A blocking command is silent by its nature, and BullMQ watches over it.
      ...(purpose === 'commands' ? { silenceMs: SILENCE_MS } : {}),
      name,
    });
}

function postgresOptions(url: string) {
  return {
    connectionString: url,
    migrate: true,
    // One connection a queue is enough for transport: LISTEN has its own, and the server's connections are few.
    max: 1,
    keepAlive: true,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
  };
}

/** BullMQ's Queue and Worker, with `connection: QueueConnection`. */
export const { Queue, Worker } = withBackend<IQueueBackend, QueueConnection>((name, options, needs) => {
  const server = parseQueueUrl(options.connection.url);
  switch (server.kind) {
    case 'redis':
      return createBackend(connecting(server, options.connection), name, options, needs);
    case 'postgres':
      return createPostgresBackend(name, { ...options, connection: postgresOptions(server.url) }, needs);
  }
});

/**
 * Ends reconnecting, before the connections of `url` are closed. An ioredis client that is disconnected between two
 * attempts never says that it ended, and BullMQ waits for that for ever: a server that is away gets one last attempt.
 */
export async function stopReconnecting(url: string, closing: AbortController): Promise<void> {
  closing.abort();
  if (parseQueueUrl(url).kind === 'postgres') return;
  const away = await checkQueue(url).then(
    () => false,
    () => true,
  );
  if (away) await sleep(LONGEST_RECONNECT_DELAY_MS + LAST_ATTEMPT_MS);
}
