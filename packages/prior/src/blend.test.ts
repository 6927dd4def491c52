/** Targets of a blend are those of embeddings that were scaled and put side by side by hand. */
import { expect, it } from 'vitest';
import { blendFactors, sideBySide } from './blend.js';
import { principalComponents, projectTargets } from './principal-components.js';
import { ShardStatistics } from './shard-statistics.js';
import { seeded } from './testing/models.js';

const COUNT = 40;
const PARTS = [
  { width: 3, weight: 1, scale: 0.01 },
  { width: 5, weight: 4, scale: 100 },
];

const random = seeded(3);
const rowsOf = ({ width, scale }: { width: number; scale: number }) =>
  Float32Array.from({ length: COUNT * width }, () => scale * random());
const parts = PARTS.map((part) => ({ ...part, rows: rowsOf(part) }));

async function statisticsOf(rows: Float32Array, width: number, shards = 1): Promise<ShardStatistics> {
  const total = ShardStatistics.empty(width);
  const size = rows.length / shards;
  for (let shard = 0; shard < shards; shard++) {
    const own = ShardStatistics.empty(width);
    await own.add(rows.subarray(shard * size, (shard + 1) * size));
    total.merge(own);
  }
  return total;
}

it('gives the targets of embeddings that were scaled to their weights beforehand, from shards too', async () => {
  const joined = sideBySide(parts);
  const statistics = await statisticsOf(joined, 8, 4);
  const factors = blendFactors(statistics, PARTS);
  const components = await principalComponents(statistics, 4, undefined, factors);
  const targets = await projectTargets(joined, components);

  const byHand: { rows: Float32Array; width: number }[] = [];
  for (const { rows, width, weight } of parts) {
    const covariance = (await statisticsOf(rows, width)).covariance();
    let variance = 0;
    for (let feature = 0; feature < width; feature++) variance += covariance[feature * (width + 1)]!;
    byHand.push({ width, rows: rows.map((value) => value * Math.sqrt(weight / variance)) });
  }
  const scaled = sideBySide(byHand);
  const wanted = await projectTargets(scaled, await principalComponents(await statisticsOf(scaled, 8), 4));
  const farthest = Math.max(...targets.map((value, index) => Math.abs(value - wanted[index]!)));
  expect(farthest).toBeLessThan(1e-4);
  expect(Math.max(...wanted)).toBeGreaterThan(1);
});

it('a part without variance gets no share', async () => {
  const rows = sideBySide([parts[0]!, { width: 2, rows: new Float32Array(2 * COUNT).fill(7) }]);
  const factors = blendFactors(await statisticsOf(rows, 5), [PARTS[0]!, { width: 2, weight: 9 }]);
  expect([...factors.subarray(3)]).toEqual([0, 0]);
  expect(factors[0]).toBeGreaterThan(0);
});

it('refuses parts that do not fit', async () => {
  const statistics = await statisticsOf(sideBySide(parts), 8);
  expect(() => blendFactors(statistics, [PARTS[0]!])).toThrow('3 features side by side');
  expect(() => sideBySide([parts[0]!, { width: 5, rows: new Float32Array(5) }])).toThrow('1 embeddings');
});
