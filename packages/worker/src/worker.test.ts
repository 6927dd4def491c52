/** Whose turn it is in a worker of several kinds, with real queues; what is done with a message is in attempt.test.ts. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { StageKind } from '@rela/contracts';
import { type Database, type EmbeddedPostgres, startEmbeddedPostgres } from '@rela/database';
import { openQueue, type StageQueue } from '@rela/queue';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startWorker } from './worker.js';

let folder: string;
let postgres: EmbeddedPostgres;
let queue: StageQueue;
let client: pg.Client;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rela-worker-'));
  postgres = await startEmbeddedPostgres({ folder });
  queue = await openQueue(postgres.url);
  client = new pg.Client({ connectionString: postgres.url });
  await client.connect();
});
afterAll(async () => {
  await client?.end();
  await queue?.close();
  await postgres?.stop();
  await rm(folder, { recursive: true, force: true });
});

it('does first what was sent with the smaller priority, also where a message of another kind was fetched before', async () => {
  const claimed: string[] = [];
  let goOn: () => void = () => undefined;
  const busy = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  // Of stages that have moved on meanwhile: an attempt is over with its claim.
  const claim = async ({ stageId }: { stageId: string }) => {
    claimed.push(stageId);
    if (stageId === 'stg_busy') await busy;
    return null;
  };
  const database = {
    whenAvailable: <T>(work: () => Promise<T>) => work(),
    stages: { claim },
  } as unknown as Database;
  const silent = () => undefined;
  const worker = await startWorker({
    ...{ database, queueUrl: postgres.url, concurrency: 1, leaseSeconds: 60, maxAttempts: 3, device: 'cpu' },
    handlers: { embed: neverCalled, join: neverCalled, appraise: neverCalled },
    log: { info: silent, warn: silent, error: silent },
  });
  const send = async (kind: StageKind, stageId: string, priority: number) => {
    await queue.send([{ kind, stageId, dispatch: 1, priority }]);
    const active = () =>
      client.query(`SELECT 1 FROM bullmq.job WHERE id = $1 AND state = 'active'`, [`${stageId}.1`]);
    await expect.poll(async () => (await active()).rows.length, { timeout: 20_000 }).toBe(1);
  };
  try {
    await send('embed', 'stg_busy', 0);
    await send('join', 'stg_of_many', 7);
    await send('appraise', 'stg_first_of_another', 0);
    expect(claimed).toEqual(['stg_busy']);
    goOn();
    await expect.poll(() => claimed.length).toBe(3);
    expect(claimed).toEqual(['stg_busy', 'stg_first_of_another', 'stg_of_many']);
  } finally {
    goOn();
    await worker.stop();
  }
});

async function neverCalled(): Promise<never> {
  throw new Error('A stale message came to a handler.');
}
