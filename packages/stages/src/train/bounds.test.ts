import { expect, it } from 'vitest';
import { createBounds } from './bounds.js';

const schedule = { totalSteps: 100, endedBy: 'epochs' as const };
const spent = { step: 10, flops: 50, seconds: 4 };

it('ends after the steps of its schedule, at the seconds, or before the FLOPs are overdrawn', () => {
  const free = createBounds(schedule, undefined);
  expect(free.reached(spent, 5)).toBeNull();
  expect(free.reached({ ...spent, step: 100 }, 5)).toBe('epochs');
  const bounds = createBounds(schedule, { seconds: 8, flops: 60 });
  expect(bounds.reached(spent, 5)).toBeNull();
  expect(bounds.reached({ ...spent, seconds: 8 }, 5)).toBe('seconds');
  expect(bounds.reached({ ...spent, step: 0, seconds: 8 }, 5)).toBeNull();
  expect(bounds.reached({ ...spent, flops: 55 }, 5)).toBeNull();
  expect(bounds.reached({ ...spent, flops: 56 }, 5)).toBe('flops');
});

it('expects as many steps as the scarcest bound has room for', () => {
  expect(createBounds(schedule, undefined).expectedSteps(spent)).toBe(100);
  expect(createBounds(schedule, { seconds: 8 }).expectedSteps(spent)).toBe(20);
  expect(createBounds(schedule, { seconds: 8, flops: 60 }).expectedSteps(spent)).toBe(12);
  expect(createBounds(schedule, { seconds: 8000 }).expectedSteps(spent)).toBe(100);
});

it('knows for how many steps there is room', () => {
  expect(createBounds(schedule, undefined).room(spent, 5)).toBe(90);
  expect(createBounds(schedule, { flops: 64 }).room(spent, 5)).toBe(2);
});
