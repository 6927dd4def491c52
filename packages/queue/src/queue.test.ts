/** What both servers must do, run on a real one of each, and on Redis in each way that it is run. */
import { type ChildProcess, fork, type StdioOptions } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { StageKind, StageMessage } from '@rela/contracts';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { makeCertificates } from '../testing/certificates.js';
import { startPostgres } from '../testing/postgres.js';
import { findRedis, startRedis } from '../testing/redis.js';
import { startCluster, startUnderSentinel, startWithTls, startWithUser } from '../testing/redis-kinds.js';
import { hasProgram, hasRedis7 } from '../testing/redis-process.js';
import type { TestServer } from '../testing/server.js';
import { Queue } from './backend.js';
import { type ConsumeOptions, checkQueue, consume, openQueue, QUEUES, type StageQueue } from './index.js';

const redis = await findRedis();
const hasServer = await hasRedis7();
const hasOpenssl = await hasProgram('openssl', 'version');
const NO_SERVER = hasServer ? '' : ' (no redis-server 7 on the PATH)';

interface Kind {
  name: string;
  start: (() => Promise<TestServer>) | null;
}

async function startTls(): Promise<TestServer> {
  const certificates = await makeCertificates();
  const server = await startWithTls(certificates);
  const stop = () => server.stop().then(certificates.remove);
  return { ...server, stop };
}

const kinds: Kind[] = [
  { name: 'PostgreSQL', start: startPostgres },
  redis
    ? { name: `Redis (${redis})`, start: () => startRedis(redis) }
    : { name: 'Redis: none here (no REDIS_URL, no redis-server, no container engine)', start: null },
  { name: `Redis as the user of docs/queue.md${NO_SERVER}`, start: hasServer ? startWithUser : null },
  {
    name: `Redis over TLS${NO_SERVER}${hasOpenssl ? '' : ' (no openssl on the PATH)'}`,
    start: hasServer && hasOpenssl ? startTls : null,
  },
  { name: `Redis under Sentinel${NO_SERVER}`, start: hasServer ? () => startUnderSentinel() : null },
  { name: `Redis as a cluster${NO_SERVER}`, start: hasServer ? () => startCluster() : null },
];

/** Long enough for a lock of a second to run out twice, and for an outage. */
const PATIENCE = { timeout: 30_000, interval: 20 };

const message = (stageId: string, more: { dispatch?: number; delayMs?: number; priority?: number } = {}) => ({
  kind: 'embed' as const,
  stageId,
  dispatch: 1,
  ...more,
});

describe.each(kinds)('a queue on $name', ({ start }) => {
  if (!start) {
    it.skip('is tested where one is to be had');
    return;
  }
  let server: TestServer;
  let queue: StageQueue;
  let opened = false;
  let stopped = false;
  const closers: (() => Promise<void>)[] = [];
  beforeAll(async () => {
    server = await start();
    queue = await openQueue(server.url);
    opened = true;
  });
  afterEach(async () => {
    await Promise.all(closers.splice(0).map((close) => close()));
    if (!stopped) await server.flush();
  });
  afterAll(async () => {
    // Also where the queue could not be opened: servers are not left behind.
    if (opened) await queue.close();
    if (!stopped) await server.stop();
  });

  async function taking(kinds: StageKind[], options: Partial<ConsumeOptions> = {}) {
    const taken: string[] = [];
    const errors: Error[] = [];
    const consumer = await consume(server.url, kinds, {
      concurrency: {},
      onMessage: async ({ stageId }) => void taken.push(stageId),
      onError: (error) => errors.push(error),
      ...options,
    });
    closers.push(() => consumer.close());
    return { taken, errors, consumer };
  }

  async function takeInAProcess(stageId: string): Promise<ChildProcess> {
    const taker = fileURLToPath(new URL('../testing/taker.mjs', import.meta.url));
    const stdio: StdioOptions = ['ignore', 'ignore', 'ignore', 'ipc'];
    const child = fork(taker, [server.url, 'embed'], { execArgv: [], stdio });
    closers.push(async () => void child.kill('SIGKILL'));
    const took = once(child, 'message');
    await queue.send([message(stageId)]);
    expect((await took)[0]).toEqual({ stageId, dispatch: 1 });
    return child;
  }

  it('delivers one message and the two hundred that follow from it, each once, over two consumers', async () => {
    const taken: string[] = [];
    const shards = Array.from({ length: 200 }, (_, index) => message(`stg_shard${index}`));
    const onMessage = async ({ stageId }: StageMessage, kind: StageKind) => {
      taken.push(stageId);
      if (kind === 'ingest') await queue.send(shards);
    };
    for (let consumer = 0; consumer < 2; consumer++)
      await taking(['ingest', 'embed'], { onMessage, concurrency: { embed: 8 } });
    await queue.send([{ kind: 'ingest', stageId: 'stg_ingest', dispatch: 1 }]);
    await vi.waitFor(() => expect(taken).toHaveLength(201), PATIENCE);
    expect(new Set(taken).size).toBe(201);
  });

  it('delivers a message once that was sent three times while it waited', async () => {
    await queue.send([message('stg_twice'), message('stg_twice')]);
    await queue.send([message('stg_twice'), message('stg_other')]);
    const { taken } = await taking(['embed']);
    await vi.waitFor(() => expect(taken).toContain('stg_other'), PATIENCE);
    expect(taken).toEqual(['stg_twice', 'stg_other']);
  });

  it('does not deliver a message again that is sent while it is being worked on', async () => {
    let go: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      go = resolve;
    });
    const taken: string[] = [];
    await taking(['embed'], {
      onMessage: async ({ stageId }) => {
        taken.push(stageId);
        await gate;
      },
    });
    await queue.send([message('stg_busy')]);
    await vi.waitFor(() => expect(taken).toEqual(['stg_busy']), PATIENCE);
    await queue.send([message('stg_busy'), message('stg_next')]);
    go();
    await vi.waitFor(() => expect(taken).toContain('stg_next'), PATIENCE);
    expect(taken).toEqual(['stg_busy', 'stg_next']);
  });

  it('delivers a stage again under its next dispatch', async () => {
    await queue.send([message('stg_again'), message('stg_again', { dispatch: 2 })]);
    const { taken } = await taking(['embed']);
    await vi.waitFor(() => expect(taken).toEqual(['stg_again', 'stg_again']), PATIENCE);
  });

  it('holds a delayed message back', async () => {
    const { taken } = await taking(['embed']);
    await queue.send([message('stg_late', { delayMs: 1500 })]);
    await queue.send([message('stg_now')]);
    await vi.waitFor(() => expect(taken).toHaveLength(2), PATIENCE);
    expect(taken).toEqual(['stg_now', 'stg_late']);
  });

  it('delivers the smallest priority first, and equal ones in order', async () => {
    const priorities = { c: 5, a: 0, d: 5, b: 1, e: 2 ** 30 };
    for (const [stageId, priority] of Object.entries(priorities))
      await queue.send([message(`stg_${stageId}`, { priority })]);
    const { taken } = await taking(['embed']);
    await vi.waitFor(() => expect(taken).toHaveLength(5), PATIENCE);
    expect(taken.join()).toBe('stg_a,stg_b,stg_c,stg_d,stg_e');
  });

  it('leaves messages of other kinds to others', async () => {
    await queue.send([{ kind: 'train', stageId: 'stg_train', dispatch: 1 }, message('stg_embed')]);
    const embedding = await taking(['embed', 'reduce']);
    await vi.waitFor(() => expect(embedding.taken).toEqual(['stg_embed']), PATIENCE);
    const training = await taking(['train']);
    await vi.waitFor(() => expect(training.taken).toEqual(['stg_train']), PATIENCE);
    expect(embedding.taken).toEqual(['stg_embed']);
  });

  it('delivers a message again whose taker was killed in the middle', async () => {
    const child = await takeInAProcess('stg_killed');
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
    const { taken } = await taking(['embed'], { lockSeconds: 1 });
    await vi.waitFor(() => expect(taken).toEqual(['stg_killed']), PATIENCE);
  });

  it('goes on after the server went away and came back, with the work and the errors in hand', async () => {
    let go: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      go = resolve;
    });
    const taken: string[] = [];
    const { errors } = await taking(['embed'], {
      onMessage: async ({ stageId }) => {
        taken.push(stageId);
        if (stageId === 'stg_during') await gate;
      },
    });
    await queue.send([message('stg_during'), message('stg_waiting')]);
    await vi.waitFor(() => expect(taken).toEqual(['stg_during']), PATIENCE);
    await server.interrupt();
    go();
    await vi.waitFor(() => expect(taken).toContain('stg_waiting'), PATIENCE);
    await vi.waitFor(() => queue.send([message('stg_after')]), PATIENCE);
    await vi.waitFor(() => expect(taken).toContain('stg_after'), PATIENCE);
    expect(taken).toEqual(['stg_during', 'stg_waiting', 'stg_after']);
    // One text a few seconds, however often a connection was tried.
    expect(errors.length).toBeLessThan(20);
  });

  it('says which messages a flush took away, and takes them again', async () => {
    const kept = message('stg_kept', { delayMs: 60_000 });
    const lost = [message('stg_lost'), message('stg_lost_too', { delayMs: 60_000, priority: 7 })];
    await queue.send(lost);
    expect(await queue.missing(lost)).toEqual([]);
    await server.flush();
    await queue.send([kept]);
    const missing = await queue.missing([kept, ...lost]);
    expect(missing).toEqual(lost);
    await queue.send(missing);
    expect(await queue.missing([kept, ...lost])).toEqual([]);
  });

  it('counts a message that is being worked on as not missing, and one that is done as missing', async () => {
    let go: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      go = resolve;
    });
    const taken: string[] = [];
    const onMessage = async ({ stageId }: StageMessage) => {
      taken.push(stageId);
      await gate;
    };
    await taking(['embed'], { onMessage });
    const one = message('stg_one');
    await queue.send([one]);
    await vi.waitFor(() => expect(taken).toEqual(['stg_one']), PATIENCE);
    expect(await queue.missing([one])).toEqual([]);
    go();
    await vi.waitFor(async () => expect(await queue.missing([one])).toEqual([one]), PATIENCE);
    await queue.send([one]);
    await vi.waitFor(() => expect(taken).toEqual(['stg_one', 'stg_one']), PATIENCE);
  });

  it('reports a handler that throws, drops its message and goes on', async () => {
    const taken: string[] = [];
    const { errors } = await taking(['embed'], {
      onMessage: async ({ stageId }) => {
        taken.push(stageId);
        if (stageId === 'stg_bad') throw new Error('no such shard');
      },
    });
    await queue.send([message('stg_bad'), message('stg_good')]);
    await vi.waitFor(() => expect(taken).toEqual(['stg_bad', 'stg_good']), PATIENCE);
    await vi.waitFor(() => expect(errors.map((error) => error.message)).toEqual(['no such shard']), PATIENCE);
  });

  it('reports and drops a message that ReLA did not send', async () => {
    const closing = new AbortController().signal;
    const stranger = new Queue(QUEUES.embed, { connection: { url: server.url, use: 'send', closing } });
    stranger.on('error', () => undefined);
    closers.push(() => stranger.close());
    await stranger.add('embed', { stageId: 5 }, { jobId: 'stranger' });
    const { taken, errors } = await taking(['embed']);
    await queue.send([message('stg_ours')]);
    await vi.waitFor(() => expect(taken).toEqual(['stg_ours']), PATIENCE);
    expect(errors[0]?.message).toContain('stranger');
  });

  it('lets work end before it closes', async () => {
    const seen: string[] = [];
    const { consumer } = await taking(['embed'], {
      onMessage: async () => {
        seen.push('started');
        await new Promise((resolve) => setTimeout(resolve, 300));
        seen.push('ended');
      },
    });
    await queue.send([message('stg_slow'), message('stg_never_taken')]);
    await vi.waitFor(() => expect(seen).toEqual(['started']), PATIENCE);
    await consumer.close();
    expect(seen).toEqual(['started', 'ended']);
    expect(await queue.missing([message('stg_slow'), message('stg_never_taken')])).toEqual([
      message('stg_slow'),
    ]);
  });

  it('aborts work that outlasts the grace, and gives its message to another at once', async () => {
    const started: string[] = [];
    const { consumer } = await taking(['embed'], {
      onMessage: ({ stageId }, _, signal) => {
        started.push(stageId);
        return new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason));
        });
      },
    });
    await queue.send([message('stg_long')]);
    await vi.waitFor(() => expect(started).toEqual(['stg_long']), PATIENCE);
    await consumer.close(0);
    const { taken } = await taking(['embed']);
    await vi.waitFor(() => expect(taken).toEqual(['stg_long']), PATIENCE);
  });

  it('answers a check', async () => {
    await expect(checkQueue(server.url)).resolves.toBeUndefined();
  });

  it('lets a process end that closes in the middle of its work while the server is away', async () => {
    const child = await takeInAProcess('stg_away');
    stopped = true;
    await server.stop();
    const ended = once(child, 'exit');
    child.send('close');
    expect(await ended).toEqual([0, null]);
  });
});
