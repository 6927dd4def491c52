import { expect, it } from 'vitest';
import { createSchedule, inParts, meanImageBytes } from './schedule.js';

const options = { images: 100, dataRatio: 0.5, batchSize: 8, epochs: 3, seed: 7 };

it('spends ⌊⌊ratio·n⌋ / batch⌋ steps an epoch', () => {
  expect(createSchedule(options)).toMatchObject({ stepsPerEpoch: 6, totalSteps: 18, endedBy: 'epochs' });
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

it('ends at a budget of steps, images or bytes, in the middle of an epoch too', () => {
  const bounded = (budget: object) => createSchedule({ ...options, imageBytes: 10, budget });
  expect(bounded({ steps: 7 })).toMatchObject({ totalSteps: 7, endedBy: 'steps' });
  expect(bounded({ images: 39, steps: 7 })).toMatchObject({ totalSteps: 4, endedBy: 'images' });
  // A step reads 8 images of 10 bytes.
  expect(bounded({ bytes: 399 })).toMatchObject({ totalSteps: 4, endedBy: 'bytes' });
  expect(bounded({ bytes: 400, images: 39 })).toMatchObject({ totalSteps: 4, endedBy: 'images' });
  expect(bounded({ steps: 19 })).toMatchObject({ totalSteps: 18, endedBy: 'epochs' });
  const whole = [...createSchedule(options).batches(1)];
  expect([...bounded({ steps: 7 }).batches(1)]).toEqual(whole.slice(0, 7));
});

it('takes an image as the mean of the training images, over all of their shards', () => {
  const digest = 'sha256:0';
  const shards = [
    { digest, count: 3, bytes: 90 },
    { digest, count: 1, bytes: 10 },
  ];
  const test = { count: 1, shards: [{ digest, count: 1, bytes: 1000 }] };
  expect(meanImageBytes({ splits: { train: { count: 4, shards }, test } })).toBe(25);
});

it('shows none of the images that are held out', () => {
  const kept = Uint32Array.from({ length: 50 }, (_, index) => 2 * index + 1);
  const steps = [...createSchedule({ ...options, images: 50, dataRatio: 1, kept }).batches(1)];
  expect(steps.flatMap(({ indices }) => [...indices]).every((index) => index % 2 === 1)).toBe(true);
});

it('cuts batches into equal parts, and goes on in the middle of one', () => {
  const schedule = createSchedule(options);
  const parts = [...inParts(schedule.batches(1), 4, 0)];
  expect(parts).toHaveLength(72);
  expect(parts.slice(0, 4).flatMap(({ indices }) => [...indices])).toEqual([
    ...schedule.batches(1).next().value!.indices,
  ]);
  expect([...inParts(schedule.batches(3), 4, 3)]).toEqual(parts.slice(11));
});
