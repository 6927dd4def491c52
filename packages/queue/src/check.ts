/** Whether the queue's server answers: for readiness, and before BullMQ is opened on it. */
import { ProblemError } from '@rela/contracts';
import { Redis } from 'ioredis';
import pg from 'pg';
import { reasonOf, redacted, serverKind } from './url.js';

const CHECK_TIMEOUT_MS = 3000;

async function askRedis(url: string): Promise<void> {
  const client = new Redis(url, {
    lazyConnect: true,
    connectTimeout: CHECK_TIMEOUT_MS,
    commandTimeout: CHECK_TIMEOUT_MS,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  });
  let reason: Error | undefined;
  // `connect` rejects with "Connection is closed"; why it was closed is only said here.
  client.on('error', (error) => {
    reason = error;
  });
  try {
    await client.connect();
    await client.ping();
  } catch (error) {
    throw reason ?? error;
  } finally {
    client.disconnect();
  }
}

async function askPostgres(url: string): Promise<void> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: CHECK_TIMEOUT_MS,
    query_timeout: CHECK_TIMEOUT_MS,
  });
  let reason: Error | undefined;
  client.on('error', (error) => {
    reason = error;
  });
  try {
    await client.connect();
    await client.query('SELECT 1');
  } catch (error) {
    throw reason ?? error;
  } finally {
    await client.end();
  }
}

const ask = { redis: askRedis, postgres: askPostgres };

/**
 * Returns where the server at `url` answers within three seconds.
 * @throws ProblemError `unavailable`
 * @throws QueueUrlError
 */
export async function checkQueue(url: string): Promise<void> {
  const kind = serverKind(url);
  try {
    await ask[kind](url);
  } catch (error) {
    throw new ProblemError(
      'unavailable',
      `The queue at ${redacted(url)} does not answer: ${reasonOf(error)}. Check that this server runs and that QUEUE_URL names it.`,
      undefined,
      { cause: error },
    );
  }
}
