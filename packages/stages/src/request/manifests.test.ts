import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DatasetManifest } from '@rela/contracts';
import { openStore } from '@rela/storage';
import { expect, it, onTestFinished } from 'vitest';
import { createManifests } from './manifests.js';

const manifest: DatasetManifest = {
  ...{ version: 1, classes: ['round', 'square'], channels: 1, imageSize: { height: 16, width: 16 } },
  ...{ mean: [0.5], std: [0.25] },
  splits: {
    train: { count: 64, shards: [{ digest: `sha256:${'a'.repeat(64)}`, count: 64, bytes: 64 * 256 }] },
    test: null,
  },
};

async function emptyStore() {
  const folder = await mkdtemp(join(tmpdir(), 'rela-manifests-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const store = openStore(folder);
  const write = async (value: DatasetManifest) =>
    (await store.write(new TextEncoder().encode(JSON.stringify(value)))).digest;
  return { store, write };
}

const ofShards = (count: number, name: string): DatasetManifest => {
  const [shard] = manifest.splits.train.shards;
  return {
    ...manifest,
    classes: [name],
    splits: { train: { count, shards: Array.from({ length: count }, () => shard!) }, test: null },
  };
};

it('a manifest is read once', async () => {
  const { store, write } = await emptyStore();
  const read = createManifests(store);
  const digest = await write(manifest);
  expect(await read(digest)).toEqual(manifest);
  await store.remove(digest);
  expect(await read(digest)).toEqual(manifest);
});

it('one that could not be read is read again', async () => {
  const { store, write } = await emptyStore();
  const read = createManifests(store);
  const digest = await write(manifest);
  await store.remove(digest);
  await expect(read(digest)).rejects.toThrow();
  await write(manifest);
  expect(await read(digest)).toEqual(manifest);
});

it('the one that was asked for longest ago is forgotten where all of them are too large', async () => {
  const { store, write } = await emptyStore();
  const read = createManifests(store);
  const [first, second, third] = [
    await write(ofShards(90_000, 'first')),
    await write(ofShards(90_000, 'second')),
    await write(ofShards(90_000, 'third')),
  ];
  for (const digest of [first, second, first, third]) await read(digest!);
  for (const digest of [first, second, third]) await store.remove(digest!);
  expect((await read(first!)).classes).toEqual(['first']);
  expect((await read(third!)).classes).toEqual(['third']);
  await expect(read(second!)).rejects.toThrow();
});
