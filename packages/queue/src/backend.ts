/**
 * BullMQ's classes bound to the server that a URL names. Nothing else in ReLA looks at the scheme of QUEUE_URL, and
 * BullMQ's process-wide default backend stays untouched: one process may use both servers at once.
 */
import { createPostgresBackend, createRedisBackend, type IQueueBackend, withBackend } from 'bullmq';
import { serverKind } from './url.js';

/** What a connection is for decides how long its commands wait for a server that is away. */
export interface QueueConnection {
  url: string;
  /** `send`: a command fails after a few seconds, the caller tries again. `take`: it waits until the server is back. */
  use: 'send' | 'take';
}

const CONNECT_TIMEOUT_MS = 10_000;
const LONGEST_RECONNECT_DELAY_MS = 2000;
/** Reconnections after which a command of a sender fails: about three seconds. */
const SENDER_RETRIES = 5;

function redisOptions({ url, use }: QueueConnection) {
  return {
    url,
    connectTimeout: CONNECT_TIMEOUT_MS,
    maxRetriesPerRequest: use === 'send' ? SENDER_RETRIES : null,
    retryStrategy: (times: number) => Math.min(200 * times, LONGEST_RECONNECT_DELAY_MS),
  };
}

function postgresOptions({ url }: QueueConnection) {
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
  const { connection } = options;
  switch (serverKind(connection.url)) {
    case 'redis':
      return createRedisBackend(name, { ...options, connection: redisOptions(connection) }, needs);
    case 'postgres':
      return createPostgresBackend(name, { ...options, connection: postgresOptions(connection) }, needs);
  }
});
