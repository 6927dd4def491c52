/** Shards and splits: what is written comes back, by number, from files. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { artifactsIn, noise, noiseDataset, png, put, testFolder } from '../testing/fixtures.js';
import { encodeShard, type ShardImage } from './format.js';
import { openShard } from './shard.js';
import { ShardWriter } from './shard-writer.js';
import { openSplit } from './split.js';

function pixels(seed: number, label: number | null): ShardImage {
  return { blob: noise(12, seed), shape: [2, 2, 3], label, name: null };
}

async function opened(bytes: Uint8Array) {
  return openShard(await put(join(await testFolder(), 'shard'), bytes));
}

describe('a shard', () => {
  it('gives its images back in any order: pixels as they were, files decoded', async () => {
    const file = await png(3, 5, 1, 9);
    const images = [
      pixels(1, 7),
      { blob: file, shape: null, label: 0, name: null },
      { blob: noise(4, 3), shape: [4, 1, 1] as [number, number, 1], label: 3, name: null },
    ];
    const shard = await opened(encodeShard(images));
    expect(shard.count).toBe(3);
    expect(await shard.decode(2)).toEqual({ data: noise(4, 3), height: 4, width: 1, channels: 1, label: 3 });
    expect(await shard.decode(0)).toEqual({ data: noise(12, 1), height: 2, width: 2, channels: 3, label: 7 });
    const decoded = await shard.decode(1);
    expect(decoded).toMatchObject({ height: 3, width: 5, channels: 1, label: 0 });
    expect(Buffer.compare(decoded.data, noise(15, 9))).toBe(0);
    await expect(shard.decode(3)).rejects.toThrow(RangeError);
    await shard.close();
  });

  it('may lack labels', async () => {
    const shard = await opened(encodeShard([pixels(1, null)]));
    expect((await shard.decode(0)).label).toBeNull();
    expect(shard.label(0)).toBe(-1);
    await shard.close();
  });

  it('names an image that does not decode', async () => {
    const broken = { blob: noise(30), shape: null, label: null };
    const shard = await opened(encodeShard([{ ...broken, name: 'cats/1.png' }]));
    await expect(shard.decode(0)).rejects.toMatchObject({
      code: 'invalid-data',
      detail: expect.stringContaining('cats/1.png'),
    });
    await shard.close();
  });

  it.each([
    ['another file', Buffer.from('something else altogether'), 'is no shard'],
    ['an empty file', Buffer.alloc(0), 'is no shard'],
    ['a file that is cut off', encodeShard([pixels(1, 1)]).subarray(0, -1), 'is damaged'],
    ['a header that is cut off', encodeShard([pixels(1, 1)]).subarray(0, 40), 'is damaged'],
  ])('is told from %s', async (_, bytes, reason) => {
    await expect(opened(bytes)).rejects.toMatchObject({
      code: 'invalid-data',
      detail: expect.stringContaining(reason),
    });
  });

  it('is written when it is full, and the last one with what is left', async () => {
    const artifacts = artifactsIn(await testFolder());
    const writer = new ShardWriter(2, artifacts.write);
    for (const seed of [1, 2, 3]) await writer.add(pixels(seed, seed));
    const shards = await writer.finish();
    expect(shards.map(({ count }) => count)).toEqual([2, 1]);
    const bytes = await readFile(await artifacts.resolve(shards[0]!.digest));
    expect(bytes.length).toBe(shards[0]!.bytes);
    expect(bytes.equals(encodeShard([pixels(1, 1), pixels(2, 2)]))).toBe(true);
  });
});

describe('a split', () => {
  it('gives images and labels by number over all shards', async () => {
    const { manifest, resolve } = await noiseDataset(await testFolder(), {
      count: 25,
      side: 4,
      shardSize: 7,
    });
    expect(manifest.splits.train.shards).toHaveLength(4);
    const split = await openSplit(manifest, 'train', resolve);
    expect(split.count).toBe(25);
    const all = noise(25 * 16);
    for (const index of [24, 0, 7, 6, 13, 14]) {
      const image = await split.decode(index);
      expect(Buffer.compare(image.data, all.subarray(index * 16, index * 16 + 16))).toBe(0);
      expect(image.label).toBe(index % 10);
      expect(await split.label(index)).toBe(index % 10);
    }
    expect([...(await split.labels())]).toEqual(Array.from({ length: 25 }, (_, index) => index % 10));
    await expect(split.decode(25)).rejects.toThrow(RangeError);
    await split.close();
  });

  it('opens a shard when it is needed, and more shards than may be open at once', async () => {
    const { manifest, resolve } = await noiseDataset(await testFolder(), {
      count: 300,
      side: 2,
      shardSize: 1,
    });
    const asked: string[] = [];
    const split = await openSplit(manifest, 'train', (digest) => {
      asked.push(digest);
      return resolve(digest);
    });
    expect(asked).toEqual([]);
    for (let index = 0; index < 300; index++) await split.decode(index);
    expect(asked).toHaveLength(300);
    await split.decode(299); // still open
    expect(asked).toHaveLength(300);
    await split.decode(0); // closed to make room
    expect(asked).toHaveLength(301);
    await split.close();
  });

  it('asks again for a shard that could not be opened', async () => {
    const { manifest, resolve } = await noiseDataset(await testFolder(), { count: 2, side: 2, shardSize: 2 });
    let tries = 0;
    const split = await openSplit(manifest, 'train', async (digest) => {
      if (tries++ === 0) throw new Error('not reached');
      return resolve(digest);
    });
    await expect(split.decode(0)).rejects.toThrow('not reached');
    await expect(split.decode(0)).resolves.toMatchObject({ height: 2 });
    await split.close();
  });

  it('has to be there', async () => {
    const { manifest, resolve } = await noiseDataset(await testFolder(), { count: 2, side: 2, shardSize: 2 });
    const { train } = manifest.splits;
    await expect(openSplit({ ...manifest, splits: { train, test: null } }, 'test', resolve)).rejects.toThrow(
      'has no test split',
    );
  });
});
