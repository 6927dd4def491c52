import { ProblemError } from '@rela/contracts';
import { expect, it } from 'vitest';
import { ShardStatistics } from './shard-statistics.js';
import { seeded } from './testing/models.js';

function randomRows(count: number, width: number, seed: number, mean = 0): Float32Array {
  const random = seeded(seed);
  return Float32Array.from({ length: count * width }, () => mean + random());
}

async function statisticsOf(rows: Float32Array, width: number): Promise<ShardStatistics> {
  const statistics = ShardStatistics.empty(width);
  await statistics.add(rows);
  return statistics;
}

/** Covariance by its definition, in two passes. */
function naiveCovariance(rows: Float32Array, width: number): number[] {
  const count = rows.length / width;
  const at = (row: number, feature: number) => rows[row * width + feature]!;
  const mean = Array.from({ length: width }, (_, feature) => {
    let sum = 0;
    for (let row = 0; row < count; row++) sum += at(row, feature);
    return sum / count;
  });
  return Array.from({ length: width * width }, (_, index) => {
    const [left, right] = [Math.floor(index / width), index % width];
    let sum = 0;
    for (let row = 0; row < count; row++)
      sum += (at(row, left) - mean[left]!) * (at(row, right) - mean[right]!);
    return sum / (count - 1);
  });
}

function largestDifference(left: ArrayLike<number>, right: ArrayLike<number>): number {
  expect(left.length).toBe(right.length);
  return Array.from(left).reduce((most, value, index) => Math.max(most, Math.abs(value - right[index]!)), 0);
}

it.each([1, 2, 3, 4, 7, 9, 32])('gives the covariance by its definition for width %i', async (width) => {
  const rows = randomRows(150, width, width);
  expect(
    largestDifference((await statisticsOf(rows, width)).covariance(), naiveCovariance(rows, width)),
  ).toBeLessThan(1e-12);
});

it('keeps its digits where embeddings lie far from zero', async () => {
  const rows = randomRows(500, 5, 3, 30000);
  expect(
    largestDifference((await statisticsOf(rows, 5)).covariance(), naiveCovariance(rows, 5)),
  ).toBeLessThan(1e-10);
});

it('adds up over shards in any grouping', async () => {
  const width = 10;
  const rows = randomRows(700, width, 4, 3);
  const whole = await statisticsOf(rows, width);
  const cuts = [0, 1, 2, 130, 131, 400, 700];
  const shards = () =>
    Promise.all(
      cuts
        .slice(1)
        .map((end, index) => statisticsOf(rows.subarray(cuts[index]! * width, end * width), width)),
    );
  const forward = ShardStatistics.empty(width);
  for (const shard of await shards()) forward.merge(shard);
  const backward = ShardStatistics.empty(width);
  for (const shard of (await shards()).reverse()) backward.merge(shard);
  const [a, b, c, ...rest] = await shards();
  a!.merge(b!);
  for (const shard of rest) c!.merge(shard);
  c!.merge(a!);
  for (const merged of [forward, backward, c!]) {
    expect(merged.count).toBe(700);
    expect(largestDifference(merged.mean, whole.mean)).toBeLessThan(1e-12);
    expect(largestDifference(merged.covariance(), whole.covariance())).toBeLessThan(1e-12);
  }
});

it('does not change by merging nothing', async () => {
  const statistics = await statisticsOf(randomRows(20, 4, 5), 4);
  const before = statistics.toBytes();
  statistics.merge(ShardStatistics.empty(4));
  await statistics.add(new Float32Array(0));
  expect(statistics.toBytes()).toEqual(before);
});

it('survives its bytes exactly, also from a buffer that is not aligned', async () => {
  const statistics = await statisticsOf(randomRows(33, 7, 6), 7);
  const bytes = statistics.toBytes();
  expect(bytes.length).toBe(8 * (1 + 7 + 28));
  const shifted = new Uint8Array(bytes.length + 3);
  shifted.set(bytes, 3);
  const read = ShardStatistics.fromBytes(shifted.subarray(3));
  expect(read.width).toBe(7);
  expect(read.count).toBe(33);
  expect(read.toBytes()).toEqual(bytes);
  await read.add(randomRows(5, 7, 7));
  await statistics.add(randomRows(5, 7, 7));
  expect(read.toBytes()).toEqual(statistics.toBytes());
});

it('refuses bytes that are something else', async () => {
  const bytes = (await statisticsOf(randomRows(3, 3, 8), 3)).toBytes();
  for (const wrong of [
    new Uint8Array(0),
    new Uint8Array(12),
    bytes.subarray(0, 64),
    new Uint8Array(bytes.length).fill(255),
  ])
    expect(() => ShardStatistics.fromBytes(wrong)).toThrow(ProblemError);
});

it('refuses rows and statistics of another width', async () => {
  const statistics = ShardStatistics.empty(4);
  await expect(statistics.add(new Float32Array(6))).rejects.toThrow(RangeError);
  expect(() => statistics.merge(ShardStatistics.empty(5))).toThrow(RangeError);
});
