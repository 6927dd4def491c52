/** One client of ioredis for each form of address. Nothing else makes one. */
import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import { Cluster, type Redis, type RedisOptions } from 'ioredis';
import { OneWriteRedis } from './one-write.js';
import type { RedisLogin, RedisServer, RedisTls } from './redis-url.js';
import { QueueUrlError, reasonOf } from './url.js';

export interface RedisConnectionOptions {
  connectTimeoutMs: number;
  /** Delay before the next attempt, in milliseconds; null: there is none. */
  retryAfter: (attempts: number) => number | null;
  /** Reconnections after which a command fails; null: it waits. */
  commandRetries: number | null;
  /** A server that owes an answer for this long counts as dead; absent: it is waited for. */
  silenceMs?: number;
  /** Whether commands wait until INFO says that the server has loaded its data; absent: they do. */
  asksFirst?: boolean;
  /** Shown by CLIENT LIST. */
  name?: string;
}

/**
 * A client that connects at once. Listen to its `error` event.
 * @throws QueueUrlError where a PEM file cannot be read
 */
export function connectRedis(server: RedisServer, options: RedisConnectionOptions): Redis | Cluster {
  const tls = server.tls && tlsOptions(server.tls);
  const connection: RedisOptions = {
    ...server.login,
    ...(tls ? { tls } : {}),
    ...(options.name ? { connectionName: options.name } : {}),
    ...(options.silenceMs ? { socketTimeout: options.silenceMs } : {}),
    enableReadyCheck: options.asksFirst ?? true,
    connectTimeout: options.connectTimeoutMs,
    maxRetriesPerRequest: options.commandRetries,
    // A master that became a replica refuses writes, and its name or Sentinel leads to the new one. 2: and sends it there.
    reconnectOnError: (error) => (error.message.includes('READONLY') ? 2 : false),
  };
  const retryStrategy = options.retryAfter;
  switch (server.form) {
    case 'single':
      return new OneWriteRedis({ ...connection, ...server.hosts[0], db: server.database, retryStrategy });
    case 'sentinel':
      return new OneWriteRedis({
        ...connection,
        db: server.database,
        sentinels: server.hosts,
        name: server.master,
        ...sentinelLogin(server.sentinelLogin),
        ...(tls ? { sentinelTLS: tls, enableTLSForSentinelMode: true } : {}),
        retryStrategy,
        sentinelRetryStrategy: retryStrategy,
        sentinelCommandTimeout: options.connectTimeoutMs,
      });
    case 'cluster':
      return new Cluster(server.hosts, {
        redisOptions: connection,
        enableReadyCheck: options.asksFirst ?? true,
        clusterRetryStrategy: retryStrategy,
        slotsRefreshTimeout: options.connectTimeoutMs,
        // Certificates carry names: ioredis would look the address up first, and verify that.
        ...(tls ? { dnsLookup: (address, done) => done(null, address) } : {}),
      });
  }
}

function sentinelLogin({ username, password }: RedisLogin) {
  return {
    ...(username ? { sentinelUsername: username } : {}),
    ...(password ? { sentinelPassword: password } : {}),
  };
}

/** Verifies the certificate whatever NODE_TLS_REJECT_UNAUTHORIZED says. */
function tlsOptions({ authority, certificate, key }: RedisTls): ConnectionOptions {
  return {
    rejectUnauthorized: true,
    ...(authority ? { ca: readPem('ssl_ca_certs', authority) } : {}),
    ...(certificate ? { cert: readPem('ssl_certfile', certificate) } : {}),
    ...(key ? { key: readPem('ssl_keyfile', key) } : {}),
  };
}

function readPem(parameter: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new QueueUrlError(
      `QUEUE_URL names ${parameter}=${path}, which cannot be read: ${reasonOf(error)}. Name a PEM file that this process may read.`,
      { cause: error },
    );
  }
}
