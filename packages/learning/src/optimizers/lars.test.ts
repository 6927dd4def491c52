import { expect, it } from 'vitest';
import { filled } from '../initial.js';
import { normal } from '../testing/tiny.js';
import { trajectory } from '../testing/trajectory.js';
import { createLars } from './lars.js';

const options = { weightDecay: 0.1, momentum: 0.9, trust: 0.02 };
const RATE = 0.5;
const STEPS = 6;

/** LARS as the papers on self-supervised learning write it, in float64. */
function reference(start: number[], gradients: number[][], isWeight: boolean): number[] {
  const { weightDecay, momentum, trust } = options;
  const parameter = [...start];
  const v = start.map(() => 0);
  for (const gradient of gradients) {
    let u = gradient;
    if (isWeight) {
      u = gradient.map((value, at) => value + weightDecay * parameter[at]!);
      const ratio = (trust * Math.hypot(...parameter)) / Math.hypot(...u);
      u = u.map((value) => value * ratio);
    }
    for (const at of v.keys()) {
      v[at] = momentum * v[at]! + u[at]!;
      parameter[at]! -= RATE * v[at]!;
    }
  }
  return parameter;
}

it('agrees with LARS in float64; biases move as by SGD without decay', async () => {
  const parameters = { weight: normal([3, 3, 2, 4], 1), bias: normal([4], 2) };
  const gradients = Array.from({ length: STEPS }, (_, step) => ({
    weight: normal([3, 3, 2, 4], 10 + step),
    bias: normal([4], 20 + step),
  }));
  const end = await trajectory(createLars(options), parameters, gradients, RATE);
  for (const key of ['weight', 'bias'] as const) {
    const given = gradients.map((one) => [...one[key].data]);
    for (const [at, value] of reference([...parameters[key].data], given, key === 'weight').entries())
      expect(end[key]!.data[at]).toBeCloseTo(value, 5);
  }
});

it('moves a weight of zeros by its gradient, and one without gradient and decay not at all', async () => {
  const parameters = { weight: filled([2, 2], 0) };
  const gradient = normal([2, 2], 3);
  const moved = await trajectory(createLars(options), parameters, [{ weight: gradient }], RATE);
  for (const [at, value] of gradient.data.entries())
    expect(moved.weight!.data[at]).toBeCloseTo(-RATE * value, 6);
  const still = { weight: normal([2, 2], 4) };
  const end = await trajectory(
    createLars({ ...options, weightDecay: 0 }),
    still,
    [{ weight: filled([2, 2], 0) }],
    RATE,
  );
  expect(end.weight!.data).toEqual(still.weight.data);
});
