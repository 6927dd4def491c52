import { expect, it } from 'vitest';
import { createRandom, epochSubset, subsetSize } from './random.js';

const draw = (random: { next(): number }, count: number) =>
  Array.from({ length: count }, () => random.next());

it('gives the same numbers for the same keys, and others for any other key', () => {
  const numbers = (...keys: (number | string)[]) => draw(createRandom(7, ...keys), 5).join();
  expect(numbers('view', 3, 12)).toBe(numbers('view', 3, 12));
  const all = [
    [],
    [0],
    [1],
    ['1'],
    [''],
    ['view', 3, 12],
    ['view', 12, 3],
    ['view', 31, 2],
    ['view312'],
    [-1],
    [0.5],
  ];
  expect(new Set(all.map((keys) => numbers(...keys))).size).toBe(all.length);
  expect(draw(createRandom(8), 5).join()).not.toBe(numbers());
});

it('stays the same from release to release', () => {
  const random = createRandom(0, 'golden');
  expect([random.next(), random.int(1000), random.normal()]).toMatchInlineSnapshot(`
    [
      0.25029938523608497,
      805,
      -0.6147545731888412,
    ]
  `);
});

it('forks by key alone, whatever was drawn before', () => {
  const parent = createRandom(7, 'a');
  const before = draw(parent.fork('b', 2), 3);
  draw(parent, 11);
  expect(draw(parent.fork('b', 2), 3)).toEqual(before);
  expect(draw(createRandom(7, 'a', 'b', 2), 3)).toEqual(before);
});

it('draws uniform numbers, normal numbers and integers with the right moments', () => {
  const random = createRandom(1);
  const count = 100_000;
  let uniform = 0;
  let outside = 0;
  let first = 0;
  let second = 0;
  let fourth = 0;
  const buckets = new Array<number>(7).fill(0);
  for (let index = 0; index < count; index++) {
    const value = random.next();
    if (value < 0 || value >= 1) outside++;
    uniform += value / count;
    const normal = random.normal();
    first += normal / count;
    second += normal ** 2 / count;
    fourth += normal ** 4 / count;
    const bucket = random.int(7);
    buckets[bucket] = buckets[bucket]! + 1;
  }
  expect(outside).toBe(0);
  // Five standard errors of each mean.
  expect(Math.abs(uniform - 0.5)).toBeLessThan(5 * Math.sqrt(1 / 12 / count));
  expect(Math.abs(first)).toBeLessThan(5 / Math.sqrt(count));
  expect(Math.abs(second - 1)).toBeLessThan(5 * Math.sqrt(2 / count));
  expect(Math.abs(fourth - 3)).toBeLessThan(5 * Math.sqrt(96 / count));
  for (const bucket of buckets) expect(Math.abs(bucket - count / 7)).toBeLessThan(5 * Math.sqrt(count / 7));
});

it('refuses an empty range and a key that is not a number', () => {
  expect(() => createRandom(1).int(0)).toThrow('int(0)');
  expect(() => createRandom(Number.NaN)).toThrow('finite');
});

it('picks a fresh subset every epoch, without repeats, and the same one again for the same epoch', () => {
  const subset = (epoch: number) => epochSubset({ seed: 5, epoch, count: 1000, ratio: 0.5 });
  expect(subset(1)).toHaveLength(500);
  expect(new Set(subset(1)).size).toBe(500);
  expect(subset(1)).toEqual(subset(1));
  expect(subset(1)).not.toEqual(subset(2));
  const all = epochSubset({ seed: 5, epoch: 0, count: 100, ratio: 1 });
  expect([...all].sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, index) => index));
});

it('picks every image equally often, in every place', () => {
  const epochs = 4000;
  const picked = new Float64Array(10);
  const head = new Float64Array(10);
  for (let epoch = 0; epoch < epochs; epoch++) {
    const subset = epochSubset({ seed: 2, epoch, count: 10, ratio: 0.3 });
    for (const image of subset) picked[image] = picked[image]! + 1;
    head[subset[0]!] = head[subset[0]!]! + 1;
  }
  for (const count of picked)
    expect(Math.abs(count - 0.3 * epochs)).toBeLessThan(5 * Math.sqrt(0.21 * epochs));
  for (const count of head) expect(Math.abs(count - 0.1 * epochs)).toBeLessThan(5 * Math.sqrt(0.09 * epochs));
});

it('rounds the size of a subset down, in decimal', () => {
  expect(subsetSize({ count: 100, ratio: 0.29 })).toBe(29);
  expect(subsetSize({ count: 999, ratio: 0.5 })).toBe(499);
  expect(subsetSize({ count: 1_281_167, ratio: 1 })).toBe(1_281_167);
});
