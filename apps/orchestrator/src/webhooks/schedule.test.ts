import { expect, it } from 'vitest';
import { RETRY_SECONDS, retryAfter } from './schedule.js';

const HOUR = 3600;
const after = (failures: number, wishedSeconds: number | null, random = 0.5) =>
  retryAfter({ failures, wishedSeconds }, { random: () => random });

it('waits longer each time, over three days, and then gives up', () => {
  const waits = Array.from({ length: 10 }, (_, index) => after(index + 1, null));
  expect(waits).toEqual([...RETRY_SECONDS, null]);
  const sum = RETRY_SECONDS.reduce((total, seconds) => total + seconds, 0);
  expect(sum / HOUR).toBeGreaterThan(72);
});

it('spreads those that failed together', () => {
  expect([after(2, null, 0), after(2, null, 0.75)]).toEqual([240, 330]);
});

it('waits as long as the receiver asks for, up to a day', () => {
  expect([after(1, 60), after(2, 60), after(1, 7 * 24 * HOUR)]).toEqual([60, 300, 24 * HOUR]);
  expect(after(10, 60)).toBeNull();
});
