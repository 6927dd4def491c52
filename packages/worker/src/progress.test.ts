import { expect, it } from 'vitest';
import { ProgressMeter } from './progress.js';

it('knows no rate from a single report', () => {
  expect(new ProgressMeter().report(5, 10, 'steps', 0)).toMatchObject({ rate: null, secondsLeft: null });
});

it('tells units a second and the seconds that are left', () => {
  const meter = new ProgressMeter();
  meter.report(0, 100, 'steps', 0);
  expect(meter.report(20, 100, 'steps', 1000)).toEqual({
    done: 20,
    total: 100,
    unit: 'steps',
    rate: 20,
    secondsLeft: 4,
  });
});

it('follows a rate that changes without jumping to it', () => {
  const meter = new ProgressMeter();
  meter.report(0, 100, 'steps', 0);
  meter.report(10, 100, 'steps', 1000);
  const { rate } = meter.report(30, 100, 'steps', 2000);
  expect(rate).toBeGreaterThan(10);
  expect(rate).toBeLessThan(20);
});
