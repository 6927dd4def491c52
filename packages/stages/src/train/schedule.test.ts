import { expect, it } from 'vitest';
import { createSchedule } from './schedule.js';

const options = { images: 100, dataRatio: 0.5, batchSize: 8, epochs: 3, seed: 7 };

it('spends ⌊⌊ratio·n⌋ / batch⌋ steps an epoch', () => {
  expect(createSchedule(options)).toMatchObject({ stepsPerEpoch: 6, totalSteps: 18 });
});

it('shows no image twice in an epoch, and other images in the next', () => {
  const steps = [...createSchedule(options).batches(1)];
  const seen = (epoch: number) =>
    steps.filter((step) => step.epoch === epoch).flatMap((step) => [...step.indices]);
  expect(new Set(seen(0)).size).toBe(48);
  expect(seen(1)).not.toEqual(seen(0));
});

it('goes on in the middle of an epoch as an unbroken run would', () => {
  const schedule = createSchedule(options);
  const whole = [...schedule.batches(1)];
  expect([...schedule.batches(9)]).toEqual(whole.slice(8));
});
