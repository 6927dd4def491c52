/** Whether the queue's server answers: for readiness, and before BullMQ is opened on it. */
import { ProblemError } from '@rela/contracts';
import pg from 'pg';
import { checkRedis } from './redis-check.js';
import { parseQueueUrl, QueueUrlError, reasonOf, redacted } from './url.js';

const CHECK_TIMEOUT_MS = 3000;

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

/**
 * Returns where the server at `url` answers within some three seconds.
 * @param onWarning told in a sentence what the server's administrator should change
 * @throws ProblemError `unavailable`
 * @throws QueueUrlError where the address is wrong, the server refuses us or is too old
 */
export async function checkQueue(
  url: string,
  onWarning: (text: string) => void = () => undefined,
): Promise<void> {
  const server = parseQueueUrl(url);
  try {
    if (server.kind === 'postgres') await askPostgres(server.url);
    else await checkRedis(url, server, { timeoutMs: CHECK_TIMEOUT_MS, onWarning });
  } catch (error) {
    if (error instanceof QueueUrlError) throw error;
    throw new ProblemError(
      'unavailable',
      `The queue at ${redacted(url)} does not answer: ${reasonOf(error)}. Check that this server runs and that QUEUE_URL names it.`,
      undefined,
      { cause: error },
    );
  }
}
