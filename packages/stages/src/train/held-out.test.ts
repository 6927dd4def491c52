import { expect, it } from 'vitest';
import { holdOut } from './held-out.js';
import { bestOf, hasLostPatience } from './validation.js';

it('parts the images into those that are trained on and those that are held out, by the seed', () => {
  const { kept, held } = holdOut(50, { fraction: 0.2, seed: 1 });
  expect(held).toHaveLength(10);
  expect([...kept, ...held].sort((a, b) => a - b)).toEqual([...Array(50).keys()]);
  expect([...kept]).toEqual([...kept].sort((a, b) => a - b));
  expect(holdOut(50, { fraction: 0.2, seed: 1 }).held).toEqual(held);
  expect(holdOut(50, { fraction: 0.2, seed: 2 }).held).not.toEqual(held);
  expect(holdOut(5, { fraction: 0.01, seed: 1 }).held).toHaveLength(1);
});

it('takes the earlier of equally good looks, and loses patience after so many that are no better', () => {
  const points = (...accuracies: number[]) =>
    accuracies.map((accuracy, index) => ({ step: index + 1, epoch: index + 1, accuracy }));
  expect(bestOf([])).toBe(-1);
  expect(bestOf(points(0.1, 0.5, 0.5, 0.2))).toBe(1);
  expect(hasLostPatience(points(0.1, 0.5, 0.5), 2)).toBe(false);
  expect(hasLostPatience(points(0.1, 0.5, 0.5, 0.2), 2)).toBe(true);
  expect(hasLostPatience(points(0.1, 0.5, 0.5, 0.6), 2)).toBe(false);
  expect(hasLostPatience(points(0.5, 0.1, 0.1, 0.1), undefined)).toBe(false);
});
