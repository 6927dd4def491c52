import { expect, it } from 'vitest';
import { labelledSubset } from './labelled-subset.js';

const classes = ['a', 'b', 'c'];
/** 90 of a, 30 of b, 6 of c, and every seventh without a label. */
const labels = Int32Array.from({ length: 147 }, (_, index) => {
  if (index % 7 === 6) return -1;
  const place = index - Math.floor(index / 7);
  if (place < 90) return 0;
  return place < 120 ? 1 : 2;
});

const countsOf = (rows: Uint32Array) =>
  classes.map((_, label) => [...rows].filter((row) => labels[row] === label).length);

it('takes equally many of every class, and all of a class that has fewer', () => {
  // ⌊0.2 · 126 / 3⌋ = 8
  const rows = labelledSubset({ labels, classes, share: 0.2, seed: 1 });
  expect(countsOf(rows)).toEqual([8, 8, 6]);
  expect([...rows]).toEqual([...new Set(rows)].sort((one, other) => one - other));
});

it('takes every labelled image where all are asked for', () => {
  expect(countsOf(labelledSubset({ labels, classes, share: 1, seed: 1 }))).toEqual([90, 30, 6]);
});

it('depends on the seed and on nothing else', () => {
  const rows = (seed: number) => [...labelledSubset({ labels, classes, share: 0.1, seed })];
  expect(rows(1)).toEqual(rows(1));
  expect(rows(2)).not.toEqual(rows(1));
});

it('refuses a share that is less than an image a class', () => {
  const refused = {
    code: 'invalid-data',
    detail: expect.stringContaining('126 labelled images of 3 classes'),
  };
  expect(() => labelledSubset({ labels, classes, share: 0.02, seed: 1 })).toThrow(
    expect.objectContaining(refused),
  );
});

it('goes without a class that has a name and no image', () => {
  const rows = labelledSubset({ labels, classes: [...classes, 'd'], share: 0.2, seed: 1 });
  // ⌊0.2 · 126 / 4⌋ = 6
  expect(countsOf(rows)).toEqual([6, 6, 6]);
});
