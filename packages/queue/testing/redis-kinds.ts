/** Redis in the ways that it is run: with a user of its own for ReLA, over TLS, under Sentinel, as a cluster. */
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Certificates } from './certificates.js';
import { ownServer } from './redis.js';
import { type RedisProcess, startRedisProcess } from './redis-process.js';
import { freePort, type TestServer } from './server.js';

/** Has what an address must write in another way. */
const PASSWORD = 'p@ss/w:rd %1';
const LOGIN = `rela:${encodeURIComponent(PASSWORD)}`;
/** Off, but not without rights: Redis 7.0 reads its append-only file as this user, and leaves out what it may not do. */
const NO_DEFAULT = 'user default off ~* &* +@all';
const MASTER = 'rela-master';

/** The users of a server: the one of docs/queue.md, and nobody without a login. */
export async function documentedUser(): Promise<string[]> {
  const page = await readFile(new URL('../../../docs/queue.md', import.meta.url), 'utf8');
  const rights = page.match(/^ACL SETUSER rela on >password (.+)$/m)?.[1];
  if (!rights) throw new Error('docs/queue.md has no line "ACL SETUSER rela on >password …" any more.');
  return [`user rela on ">${PASSWORD}" ${rights}`, NO_DEFAULT];
}

export async function startWithUser(): Promise<TestServer> {
  const user = await documentedUser();
  const server = await startRedisProcess(() => user);
  return ownServer(`redis://${LOGIN}@127.0.0.1:${server.port}/3`, [server]);
}

/** A server that speaks nothing but TLS, and wants a certificate of its clients, as it does where nothing else is set. */
const tlsSettings =
  ({ authority, certificate, key }: Certificates) =>
  (port: number) => [
    ...['port 0', `tls-port ${port}`, `tls-ca-cert-file ${authority}`],
    ...[`tls-cert-file ${certificate}`, `tls-key-file ${key}`],
  ];

/** Parameters of QUEUE_URL. */
const tlsQuery = ({ authority, certificate, key }: Certificates) =>
  new URLSearchParams({ ssl_ca_certs: authority, ssl_certfile: certificate, ssl_keyfile: key });

export async function startWithTls(certificates: Certificates): Promise<TestServer> {
  const user = await documentedUser();
  const settings = tlsSettings(certificates);
  const server = await startRedisProcess((port) => [...settings(port), ...user]);
  return ownServer(`rediss://${LOGIN}@localhost:${server.port}?${tlsQuery(certificates)}`, [server]);
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds().catch(() => false))) await sleep(50);
}

const offsetOf = (server: RedisProcess) =>
  server.ask(async (client) => (await client.info('replication')).match(/^master_repl_offset:(\d+)/m)?.[1]);

const replicates = (server: RedisProcess) =>
  server.ask(async (client) => /master_link_status:up/.test(await client.info('replication')));

export interface SentinelServer extends TestServer {
  master(): Promise<RedisProcess>;
}

/** One master, one replica, one sentinel that alone decides. Interrupted by killing whichever is the master. */
export async function startUnderSentinel(certificates?: Certificates): Promise<SentinelServer> {
  const user = await documentedUser();
  const tls = (port: number) =>
    certificates ? [...tlsSettings(certificates)(port), 'tls-replication yes'] : [];
  const settings = (port: number) => [
    ...tls(port),
    ...user,
    // Replicas log in as anyone does.
    ...['masteruser admin', 'masterauth admin', 'repl-diskless-sync-delay 0'],
  ];
  const servers: RedisProcess[] = [];
  const begin = async (...args: Parameters<typeof startRedisProcess>) => {
    const server = await startRedisProcess(...args);
    servers.push(server);
    return server;
  };
  const stop = async () => void (await Promise.all(servers.map((server) => server.remove())));
  try {
    const first = await begin(settings);
    const second = await begin((port) => [...settings(port), `replicaof 127.0.0.1 ${first.port}`]);
    await until(() => replicates(second));
    const sentinel = await begin(
      (port) => [
        ...tls(port),
        ...[`sentinel monitor ${MASTER} 127.0.0.1 ${first.port} 1`, `sentinel auth-user ${MASTER} admin`],
        ...[`sentinel auth-pass ${MASTER} admin`, `sentinel down-after-milliseconds ${MASTER} 500`],
        `sentinel failover-timeout ${MASTER} 3000`,
        NO_DEFAULT,
        'user watcher on >sentinel +@connection +sentinel|get-master-addr-by-name +sentinel|sentinels',
      ],
      { sentinel: true },
    );
    const currentMaster = async () => {
      const address = await sentinel.ask((client) =>
        client.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', MASTER),
      );
      return Number((address as string[])[1]) === first.port ? first : second;
    };
    const knowsReplica = () =>
      sentinel.ask(async (client) => {
        const replicas = (await client.call('SENTINEL', 'REPLICAS', MASTER)) as unknown[];
        return replicas.length === 1;
      });
    await until(knowsReplica);
    // The first sentinel that is named is not there.
    const hosts = `127.0.0.1:${await freePort()},127.0.0.1:${sentinel.port}`;
    const login = new URLSearchParams({ sentinel_username: 'watcher', sentinel_password: 'sentinel' });
    return {
      url: certificates
        ? `rediss+sentinel://${LOGIN}@${hosts}/${MASTER}/0?${login}&${tlsQuery(certificates)}`
        : `redis+sentinel://${LOGIN}@${hosts}/${MASTER}/0?${login}`,
      master: currentMaster,
      async interrupt() {
        const master = await currentMaster();
        const replica = master === first ? second : first;
        // Replication lags, and what is lost by that is not what is looked at here.
        await until(async () => (await offsetOf(master)) === (await offsetOf(replica)));
        await master.end('SIGKILL');
        await until(async () => (await currentMaster()) === replica);
        await master.start();
        await until(() => replicates(master));
      },
      flush: async () => void (await (await currentMaster()).ask((client) => client.flushall())),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Two masters with half of the slots each. */
export async function startCluster(
  certificates?: Certificates,
): Promise<TestServer & { nodes: RedisProcess[] }> {
  const user = await documentedUser();
  const servers: RedisProcess[] = [];
  const settings = (port: number) => [
    ...(certificates ? [...tlsSettings(certificates)(port), 'tls-cluster yes'] : []),
    ...user,
    ...['cluster-enabled yes', 'cluster-node-timeout 5000', 'cluster-require-full-coverage yes'],
  ];
  try {
    // The bus of a cluster has a port of its own, and its default is too high for a port that is free by chance.
    for (const busPort of [await freePort(), await freePort()])
      servers.push(await startRedisProcess((port) => [...settings(port), `cluster-port ${busPort}`]));
    const [first, second] = servers as [RedisProcess, RedisProcess];
    await first.ask((client) => client.call('CLUSTER', 'ADDSLOTSRANGE', 0, 8191));
    await second.ask((client) => client.call('CLUSTER', 'ADDSLOTSRANGE', 8192, 16383));
    const busPort = await second.ask(
      async (client) => String(await client.call('CLUSTER', 'NODES')).match(/@(\d+)/)?.[1],
    );
    await first.ask((client) => client.call('CLUSTER', 'MEET', '127.0.0.1', second.port, busPort ?? ''));
    for (const server of servers)
      await until(() => server.ask(async (client) => /cluster_state:ok/.test(await client.cluster('INFO'))));
  } catch (error) {
    await Promise.all(servers.map((server) => server.remove()));
    throw error;
  }
  const hosts = servers.map(({ port }) => `127.0.0.1:${port}`).join();
  const url = certificates
    ? `rediss+cluster://${LOGIN}@${hosts}?${tlsQuery(certificates)}`
    : `redis+cluster://${LOGIN}@${hosts}`;
  return { ...ownServer(url, servers), nodes: servers };
}
