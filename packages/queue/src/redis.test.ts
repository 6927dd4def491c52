/** What is particular to Redis: where its keys are, whom it trusts, what its user may do, and how it must be set up. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Certificates, makeCertificates } from '../testing/certificates.js';
import { documentedUser, startCluster, startUnderSentinel, startWithTls } from '../testing/redis-kinds.js';
import { hasProgram, hasRedis7, type RedisProcess, startRedisProcess } from '../testing/redis-process.js';
import { checkQueue, consume, openQueue, QueueUrlError } from './index.js';

const hasServer = await hasRedis7();
const hasOpenssl = await hasProgram('openssl', 'version');
const NEEDS = 'needs redis-server 7 on the PATH';

/** Long enough for a fail-over, and for a connection to be given up on which nothing comes. */
const PATIENCE = { timeout: 45_000, interval: 50 };

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function start(...settings: string[]): Promise<RedisProcess> {
  const server = await startRedisProcess(() => settings);
  closers.push(() => server.remove());
  return server;
}

/** What opening at `url` is told. */
async function refusal(url: string): Promise<string> {
  const error = await openQueue(url).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(QueueUrlError);
  expect((error as Error).message).not.toContain('secret');
  return (error as Error).message;
}

const message = (stageId: string, more: { delayMs?: number; priority?: number } = {}) => ({
  kind: 'embed' as const,
  stageId,
  dispatch: 1,
  ...more,
});

describe.skipIf(!hasServer)(`a Redis (${NEEDS})`, () => {
  it('has every key of a queue in one slot, whatever its messages wait for', async () => {
    const cluster = await startCluster();
    closers.push(() => cluster.stop());
    const queue = await openQueue(cluster.url);
    closers.push(() => queue.close());
    let took: () => void = () => undefined;
    const taken = new Promise<void>((resolve) => {
      took = resolve;
    });
    const consumer = await consume(cluster.url, ['embed'], {
      concurrency: {},
      onMessage: async (_message, _kind, signal) => {
        took();
        await once(signal, 'abort');
        throw signal.reason;
      },
      onError: () => undefined,
    });
    closers.push(() => consumer.close(0));
    await queue.send([message('stg_active')]);
    await taken;
    await queue.send([
      message('stg_waiting'),
      message('stg_late', { delayMs: 60_000 }),
      message('stg_sooner', { priority: 3 }),
    ]);
    const held = await Promise.all(
      cluster.nodes.map((node) =>
        node.ask(async (client) => {
          const keys = await client.keys('*');
          return Promise.all(keys.map(async (key) => ({ key, slot: await client.cluster('KEYSLOT', key) })));
        }),
      ),
    );
    const keys = held.flat();
    expect(new Set(keys.map(({ slot }) => slot)).size).toBe(1);
    const names = keys.map(({ key }) => key);
    for (const part of ['wait', 'active', 'delayed', 'prioritized', 'meta', 'events', 'stg_late.1'])
      expect(names).toContain(`{rela}:rela-embed:${part}`);
    // So that rights on this pattern are enough.
    expect(names.filter((name) => !name.startsWith('{rela}:'))).toEqual([]);
  });

  it('lets the user of docs/queue.md do nothing outside of the queues', async () => {
    const server = await start(...(await documentedUser()));
    const tries = await server.ask(async (client) => {
      const may = (...command: string[]) => client.call('ACL', 'DRYRUN', 'rela', ...command);
      return {
        ours: await may('set', '{rela}:rela-embed:id', '1'),
        others: await may('set', 'session:1', '1'),
        everything: await may('flushall'),
        settings: await may('config', 'set', 'maxmemory', '1'),
        users: await may('acl', 'list'),
      };
    });
    expect(tries.ours).toBe('OK');
    const { ours: _, ...rest } = tries;
    for (const answer of Object.values(rest)) expect(answer).toMatch(/no permissions/);
  });

  it.each([
    ['a wrong password', 'user rela on >right ~* &* +@all', 'secret', 'WRONGPASS'],
    ['a user without rights', 'user rela on >secret ~* &* +@connection', 'secret', 'docs/queue.md'],
  ])('refuses %s in a sentence, once and for all', async (_, user, password, reason) => {
    const server = await start(user);
    expect(await refusal(`redis://rela:${password}@127.0.0.1:${server.port}`)).toContain(reason);
  });

  it('refuses an address without a login where one is needed', async () => {
    const server = await start('user default off ~* &* +@all');
    expect(await refusal(`redis://127.0.0.1:${server.port}`)).toContain('NOAUTH');
  });

  it('refuses a master that the sentinels do not know, and a wrong password of theirs', async () => {
    const server = await startUnderSentinel();
    closers.push(() => server.stop());
    expect(await refusal(server.url.replace('/rela-master/', '/other/'))).toContain('"other"');
    const wrong = server.url.replace('sentinel_password=sentinel', 'sentinel_password=secret');
    expect(await refusal(wrong)).toContain('WRONGPASS');
  });

  it('is warned of once where it throws keys away when it is full, and BullMQ prints nothing', async () => {
    const printed = [vi.spyOn(console, 'warn'), vi.spyOn(console, 'error')];
    const server = await start('maxmemory-policy allkeys-lru');
    const warnings: string[] = [];
    const queue = await openQueue(`redis://127.0.0.1:${server.port}`, {
      onWarning: (text) => warnings.push(text),
    });
    await queue.close();
    expect(warnings).toEqual([expect.stringMatching(/allkeys-lru.*noeviction/)]);
    for (const print of printed) expect(print).not.toHaveBeenCalled();
  });

  /** A port that leads to the server that `target` names when a connection is made. */
  async function proxied(target: () => RedisProcess, answer = (data: Buffer) => data): Promise<string> {
    const proxy = createServer((socket) => {
      const upstream = connect(target().port, '127.0.0.1');
      socket.pipe(upstream);
      upstream.on('data', (data) => socket.write(answer(data)));
      for (const end of [socket, upstream])
        end.on('error', () => undefined).on('close', () => [socket, upstream].map((one) => one.destroy()));
    }).listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    closers.push(async () => void proxy.close());
    return `redis://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  }

  it('is refused where it is older than 6.2', async () => {
    const server = await start();
    const aged = (data: Buffer) =>
      Buffer.from(data.toString('latin1').replace(/redis_version:\d/, 'redis_version:5'), 'latin1');
    expect(await refusal(await proxied(() => server, aged))).toMatch(/Redis 5\..*6\.2 or newer/);
  });

  it('is left for the new master where it became a replica and the address leads elsewhere now', async () => {
    const [before, after] = [await start(), await start()];
    let master = before;
    const queue = await openQueue(await proxied(() => master));
    closers.push(() => queue.close());
    await queue.send([message('stg_before')]);
    await before.ask((client) => client.call('REPLICAOF', '127.0.0.1', after.port));
    master = after;
    await vi.waitFor(() => queue.send([message('stg_after')]), PATIENCE);
    expect(await after.ask((client) => client.exists('{rela}:rela-embed:stg_after.1'))).toBe(1);
  });

  it('is left for the new master where it is frozen, and closes no connection', async () => {
    const server = await startUnderSentinel();
    closers.push(() => server.stop());
    const queue = await openQueue(server.url);
    closers.push(() => queue.close());
    const taken: string[] = [];
    const consumer = await consume(server.url, ['embed'], {
      concurrency: {},
      onMessage: async ({ stageId }) => void taken.push(stageId),
      onError: () => undefined,
    });
    closers.push(() => consumer.close());
    const master = await server.master();
    master.freeze();
    closers.push(async () => master.thaw());
    await vi.waitFor(async () => expect(await server.master()).not.toBe(master), PATIENCE);
    await vi.waitFor(() => queue.send([message('stg_frozen')]), PATIENCE);
    await vi.waitFor(() => expect(taken).toContain('stg_frozen'), PATIENCE);
  });
});

describe.skipIf(!hasServer || !hasOpenssl)(`a Redis over TLS (${NEEDS}, and openssl)`, () => {
  let certificates: Certificates;
  beforeAll(async () => {
    certificates = await makeCertificates();
  });
  afterAll(() => certificates.remove());

  async function startTls(): Promise<string> {
    const server = await startWithTls(certificates);
    closers.push(() => server.stop());
    return server.url;
  }

  /** The address with another value of a parameter of the query; null: without it. */
  function changed(url: string, parameter: string, value: string | null): string {
    const [address, query] = url.split('?');
    const parameters = new URLSearchParams(query);
    if (value === null) parameters.delete(parameter);
    else parameters.set(parameter, value);
    return `${address}?${parameters}`;
  }

  it('is refused where nobody whom we trust signed its certificate, and the file to name is said', async () => {
    expect(await refusal(changed(await startTls(), 'ssl_ca_certs', null))).toContain('ssl_ca_certs');
  });

  it('is refused where another authority signed its certificate', async () => {
    const others = await makeCertificates();
    closers.push(others.remove);
    expect(await refusal(changed(await startTls(), 'ssl_ca_certs', others.authority))).toContain('TLS');
  });

  it('is refused where its certificate is for another name', async () => {
    const others = await makeCertificates('DNS:elsewhere.example');
    closers.push(others.remove);
    const server = await startWithTls(others);
    closers.push(() => server.stop());
    expect(await refusal(server.url)).toContain('elsewhere.example');
  });

  it.each([
    ['it asks for a certificate and gets none', (url: string) => changed(url, 'ssl_certfile', null)],
    ['the address says nothing of TLS', (url: string) => url.replace(/^rediss/, 'redis').replace(/\?.*/, '')],
  ])('is said to hang up for TLS, perhaps, where %s', async (_, change) => {
    // The server's reason and its hanging up race each other; either comes with the advice.
    await expect(checkQueue(change(await startTls()))).rejects.toThrow(/ssl_certfile/);
  });

  it('is not asked at all where a file that QUEUE_URL names is not there', async () => {
    const absent = join(certificates.authority, 'absent.pem');
    expect(await refusal(changed(await startTls(), 'ssl_ca_certs', absent))).toContain(absent);
  });

  it('is said to be without TLS, perhaps, where it does not answer to it', async () => {
    const server = await start();
    await expect(checkQueue(`rediss://127.0.0.1:${server.port}`)).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringMatching(/ETIMEDOUT.*without TLS/),
    });
  });

  it.each([
    ['under Sentinel', startUnderSentinel],
    ['as a cluster', startCluster],
  ])('carries messages %s', async (_, startKind) => {
    const server = await startKind(certificates);
    closers.push(() => server.stop());
    await checkQueue(server.url);
    const queue = await openQueue(server.url);
    closers.push(() => queue.close());
    await queue.send([message('stg_tls')]);
    expect(await queue.missing([message('stg_tls'), message('stg_other')])).toEqual([message('stg_other')]);
    expect(await refusal(changed(server.url, 'ssl_ca_certs', null))).toContain('ssl_ca_certs');
  });
});
