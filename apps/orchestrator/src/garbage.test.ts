/** Sweeps of a real folder by what a real database says. */
import { mkdtemp, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DatasetManifest } from '@rela/contracts';
import {
  type Database,
  type EmbeddedPostgres,
  migrate,
  openDatabase,
  startEmbeddedPostgres,
} from '@rela/database';
import { openStore } from '@rela/storage';
import { afterAll, beforeAll, expect, it, onTestFinished, vi } from 'vitest';
import { sweepGarbage } from './garbage.js';

const HOUR = 3600;

let folder: string;
let postgres: EmbeddedPostgres;
let database: Database;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rela-garbage-'));
  postgres = await startEmbeddedPostgres({ folder: join(folder, 'postgres') });
  await migrate(postgres.url);
  database = await openDatabase(postgres.url);
});
afterAll(async () => {
  await database?.close();
  await postgres?.stop();
  await rm(folder, { recursive: true, force: true });
});

const store = () => openStore(join(folder, 'artifacts'));

async function write(text: string, { hoursAgo = 2 } = {}): Promise<string> {
  const { digest } = await store().write(new TextEncoder().encode(text));
  const then = new Date(Date.now() - 1000 * HOUR * hoursAgo);
  await utimes(await store().localPath(digest), then, then);
  return digest;
}

const sweep = (parts = {}) =>
  sweepGarbage({
    ...{ database, store: store(), log: { info: () => undefined, warn: () => undefined } },
    ...{ graceSeconds: HOUR, resultSeconds: 30 * 24 * HOUR, jobSeconds: null },
    deliverySeconds: 30 * 24 * HOUR,
    signal: new AbortController().signal,
    ...parts,
  });

/** A data set of one shard, as its ingest leaves it. */
async function addDataset(shard: string): Promise<string> {
  const manifest: DatasetManifest = {
    ...{ version: 1, classes: null, channels: 1, imageSize: null, mean: [0], std: [1] },
    splits: { train: { count: 1, shards: [{ digest: shard, count: 1, bytes: 5 }] }, test: null },
  };
  const list = await write(JSON.stringify(manifest));
  const { stageId } = await database.datasets.create({
    ...{ name: 'some', source: { kind: 'folder', path: '/nowhere' }, tolerance: 0, shardSize: 1 },
  });
  const { dispatch } = (await database.stages.get(stageId))!;
  const claim = await database.stages.claim({ stageId, dispatch, worker: 'test', leaseSeconds: 60 });
  await database.stages.succeed(
    claim!,
    {
      ...{ kind: 'ingest', manifest: list, bytes: 1, seconds: 1 },
      undecodable: { count: 0, examples: [] },
    },
    { facts: { manifest } },
  );
  return list;
}

it('removes what nothing names, and keeps what rows name, what that names, and what is young', async () => {
  const shard = await write('shard');
  const list = await addDataset(shard);
  const forgotten = await write('forgotten');
  await database.artifacts.record({ digest: forgotten, bytes: 9, mediaType: 'application/octet-stream' });
  const young = await write('young', { hoursAgo: 0 });
  expect(await sweep()).toEqual({ results: 0, jobs: 0, deliveries: 0, artifacts: 1, bytes: 9 });
  expect(await Promise.all([list, shard, young, forgotten].map((digest) => store().has(digest)))).toEqual([
    ...[true, true, true, false],
  ]);
  expect(await database.artifacts.get(forgotten)).toBeNull();
  expect(await sweep()).toMatchObject({ artifacts: 0 });
});

it('keeps what was touched after it was listed', async () => {
  const digest = await write('wanted again');
  const { list } = store();
  const touching = Object.assign(store(), {
    async *list() {
      for await (const artifact of list.call(store())) {
        await store().touch(artifact.digest);
        yield artifact;
      }
    },
  });
  expect(await sweep({ store: touching })).toMatchObject({ artifacts: 0 });
  expect(await store().has(digest)).toBe(true);
});

it('keeps what is young where the clock of this machine is days ahead', async () => {
  const young = await write('young, whatever the clock says', { hoursAgo: 0 });
  vi.useFakeTimers({ now: Date.now() + 72 * 3600_000, toFake: ['Date'] });
  onTestFinished(() => void vi.useRealTimers());
  expect(await sweep()).toMatchObject({ artifacts: 0 });
  expect(await store().has(young)).toBe(true);
});

it('removes nothing where a manifest cannot be read', async () => {
  const list = await addDataset(await write('another shard'));
  const unnamed = await write('unnamed');
  const failing = Object.assign(store(), {
    read: () => Promise.reject(new Error('the disk does not answer')),
  });
  await expect(sweep({ store: failing })).rejects.toThrow('the disk does not answer');
  expect(await store().has(unnamed)).toBe(true);
  expect(await store().has(list)).toBe(true);
});

it('leaves the storage to another process that sweeps', async () => {
  expect(await database.garbage.alone(() => sweep())).toBeNull();
});
