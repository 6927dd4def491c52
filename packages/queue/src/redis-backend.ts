/** BullMQ's Redis backend over our own clients: BullMQ makes clients of one server from a URL, but no cluster. */
import {
  type BackendFactory,
  createIORedisClient,
  type IQueueBackend,
  QueueKeys,
  RedisConnection,
  RedisQueueBackend,
} from 'bullmq';
import type { Cluster, Redis } from 'ioredis';

/**
 * Before every key. A cluster places keys by what is in braces: BullMQ's scripts take many keys of a queue at once and
 * need them on one node.
 */
export const KEY_PREFIX = '{rela}';

export type ConnectRedis = (use: 'commands' | 'blocking', name: string) => Redis | Cluster;

/**
 * As BullMQ's createRedisBackend, which makes its clients itself. The backend closes those that `connect` makes.
 * Source: bullmq/src/utils/create-backend.ts.
 */
export function createBackend(
  connect: ConnectRedis,
  name: string,
  options: Parameters<BackendFactory<IQueueBackend, object>>[1],
  { blocking = false, withBlockingConnection = false }: Parameters<BackendFactory>[2] = {},
): IQueueBackend {
  const keys = new QueueKeys(KEY_PREFIX);
  const connection = new RedisConnection(quiet(connect('commands', name)), { shared: false, blocking });
  const second = withBlockingConnection
    ? new RedisConnection(quiet(connect('blocking', name)), { shared: false, blocking: true })
    : undefined;
  const toKey = (type: string) => keys.toKey(name, type);
  const prefixed = { ...options, prefix: KEY_PREFIX };
  return new RedisQueueBackend(connection, name, keys.getKeys(name), toKey, prefixed, second);
}

/**
 * BullMQ prints a line about eviction for each connection, from what INFO says of the memory. Ours is said once, in the
 * log, by `checkQueue`; BullMQ is told the server's version alone.
 */
function quiet(client: Redis | Cluster) {
  return new Proxy(createIORedisClient(client), {
    get: (target, property) =>
      property === 'info' ? () => client.info('server') : Reflect.get(target, property),
  });
}
