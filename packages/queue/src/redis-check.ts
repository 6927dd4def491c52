/** What is asked of a Redis before BullMQ is opened on it: that it answers, lets us in, is new enough and evicts nothing. */
import type { Cluster, Redis } from 'ioredis';
import { connectRedis } from './redis.js';
import type { RedisHost, RedisServer } from './redis-url.js';
import { QueueUrlError, reasonOf, redacted } from './url.js';

/** BullMQ's own recommendation; what it does below is not tested there. */
const OLDEST = [6, 2];

const KEPT_REASON = /Connection is closed|All sentinels are unreachable|Failed to refresh slots cache/;

/** What cannot be told from a server that is away. */
const TLS_OR_NOT =
  'a server with TLS hangs up on redis://, one that asks for a certificate on whoever shows none by ?ssl_certfile= and ?ssl_keyfile=, and one without TLS does not answer rediss://';

/** Faults of the address or of the server's settings: waiting does not end them. */
const REFUSALS: [RegExp, string][] = [
  [
    /self[- ]signed certificate|unable to (get|verify)|certificate has expired|ERR_TLS|altnames|unknown ca|certificate required|wrong version number|packet length too long/i,
    'TLS with it failed. Name the PEM file of the authority that signed its certificate in QUEUE_URL (?ssl_ca_certs=/path/ca.pem), use a host name that the certificate has, and give ?ssl_certfile= and ?ssl_keyfile= where it asks for a certificate',
  ],
  [
    /WRONGPASS|NOAUTH|ERR AUTH|invalid password/,
    'It refused the login. Put the user and the password into QUEUE_URL, characters like @ and / as %40 and %2F',
  ],
  [/NOPERM/, 'Its user may not do what the queue needs. The rights that it needs are in docs/queue.md'],
  [/know no master/, 'Give the name that `sentinel monitor` gives it, after the hosts of QUEUE_URL'],
  [/DB index is out of range/, 'It has no such database. Name another number at the end of QUEUE_URL'],
];

/**
 * Asks the server at `url` what it is, within about `timeoutMs`.
 * @param onWarning told in a sentence what the server's administrator should change
 * @throws QueueUrlError where it refuses us or is too old; the client's error where it does not answer
 */
export async function checkRedis(
  url: string,
  server: RedisServer,
  { timeoutMs, onWarning }: { timeoutMs: number; onWarning: (text: string) => void },
): Promise<void> {
  let information: string;
  try {
    information = await ask(server, timeoutMs, (client) => client.info());
  } catch (failure) {
    const error = await explain(server, failure, timeoutMs);
    if (/ECONNRESET|EPIPE|ETIMEDOUT|Connection is closed/.test(reasonOf(error)))
      throw new Error(`${reasonOf(error)} (${TLS_OR_NOT})`, { cause: error });
    const advice = REFUSALS.find(([pattern]) => pattern.test(reasonOf(error)))?.[1];
    if (!advice) throw error;
    throw new QueueUrlError(`The queue at ${redacted(url)} said: ${reasonOf(error)}. ${advice}.`, {
      cause: error,
    });
  }
  refuseOld(url, information);
  const policy = information.match(/^maxmemory_policy:(\S+)/m)?.[1] ?? 'noeviction';
  if (policy !== 'noeviction')
    onWarning(
      `The queue at ${redacted(url)} has the maxmemory-policy ${policy}: when its memory is full it throws messages away, which are sent again late. Set it to noeviction (CONFIG SET maxmemory-policy noeviction, and in redis.conf).`,
    );
}

async function ask<T>(
  server: RedisServer,
  timeoutMs: number,
  question: (client: Redis | Cluster) => Promise<T>,
): Promise<T> {
  const client = connectRedis(server, {
    connectTimeoutMs: timeoutMs,
    retryAfter: () => null,
    commandRetries: 0,
    silenceMs: timeoutMs,
    // Under Sentinel it finds out whether this is the master. Else the question is enough, also of a server that loads.
    asksFirst: server.form === 'sentinel',
  });
  try {
    return await Promise.race([question(client), failureOf(client)]);
  } finally {
    client.disconnect();
  }
}

/** Rejects with why the connection failed; the command that waits for it only says that it is closed. */
function failureOf(client: Redis | Cluster): Promise<never> {
  return new Promise((_resolve, reject) => {
    client.on('error', reject);
  });
}

/** Of sentinels and nodes of a cluster ioredis only says that none was reached: each is asked alone. */
async function explain(server: RedisServer, failure: unknown, timeoutMs: number): Promise<unknown> {
  if (server.form === 'single' || !KEPT_REASON.test(reasonOf(failure))) return failure;
  const login = server.form === 'sentinel' ? server.sentinelLogin : server.login;
  const answers = await Promise.allSettled(
    server.hosts.map((host) => {
      const alone: RedisServer = { ...server, form: 'single', hosts: [host], login, database: 0 };
      return ask(alone, timeoutMs, (client) => client.ping());
    }),
  );
  if (server.form === 'sentinel' && answers.some(({ status }) => status === 'fulfilled'))
    return new Error(`its sentinels know no master "${server.master}"`);
  const reasons = answers.flatMap((answer, index) => {
    const { host, port } = server.hosts[index] as RedisHost;
    return answer.status === 'rejected' ? [`${host}:${port}: ${reasonOf(answer.reason)}`] : [];
  });
  return reasons.length > 0 ? new Error(reasons.join('; '), { cause: failure }) : failure;
}

function refuseOld(url: string, information: string): void {
  // Valkey and Dragonfly say there which Redis they can stand for.
  const version = information.match(/^redis_version:(\d+)\.(\d+)/m);
  if (!version) return;
  const [major, minor] = version.slice(1).map(Number) as [number, number];
  const [oldestMajor, oldestMinor] = OLDEST as [number, number];
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return;
  throw new QueueUrlError(
    `The queue at ${redacted(url)} is Redis ${major}.${minor}. ReLA needs ${OLDEST.join('.')} or newer: upgrade it, or leave QUEUE_URL out to use the database.`,
  );
}
