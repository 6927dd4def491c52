import { expect, it } from 'vitest';
import { normal } from '../testing/tiny.js';
import { trajectory } from '../testing/trajectory.js';
import { createSgd } from './sgd.js';

const options = { weightDecay: 0.1, momentum: 0.9, nesterov: false };
const parameters = { weight: normal([2, 3], 1), bias: normal([3], 2) };
const gradients = Array.from({ length: 6 }, (_, step) => ({
  weight: normal([2, 3], 10 + step),
  bias: normal([3], 20 + step),
}));
const RATE = 0.05;

/** torch.optim.SGD in float64, as its documentation writes it. */
function reference(start: number, given: number[], { weightDecay = 0.1, momentum = 0.9, nesterov = false }) {
  let [parameter, buffer] = [start, 0];
  for (const [index, gradient] of given.entries()) {
    const g = gradient + weightDecay * parameter;
    buffer = index === 0 ? g : momentum * buffer + g;
    parameter -= RATE * (nesterov ? g + momentum * buffer : buffer);
  }
  return parameter;
}

const expected = (key: 'weight' | 'bias', more: Parameters<typeof reference>[2] = {}) =>
  [...parameters[key].data].map((start, at) =>
    reference(
      start,
      gradients.map((given) => given[key].data[at]!),
      more,
    ),
  );

it.each([
  { momentum: 0.9, nesterov: false },
  { momentum: 0.9, nesterov: true },
  { momentum: 0, nesterov: false },
])('agrees with SGD in float64 for %o', async (kind) => {
  const end = await trajectory(createSgd({ ...options, ...kind }), parameters, gradients, RATE);
  for (const key of ['weight', 'bias'] as const)
    for (const [at, value] of expected(key, kind).entries()) expect(end[key]!.data[at]).toBeCloseTo(value, 5);
});

it('leaves biases undecayed where only weights decay', async () => {
  const end = await trajectory(createSgd({ ...options, decay: 'weights' }), parameters, gradients, RATE);
  for (const [at, value] of expected('bias', { weightDecay: 0 }).entries())
    expect(end.bias!.data[at]).toBeCloseTo(value, 5);
  for (const [at, value] of expected('weight').entries()) expect(end.weight!.data[at]).toBeCloseTo(value, 5);
});

it('keeps nothing without momentum', () => {
  expect(createSgd({ ...options, momentum: 0 }).init(parameters)).toEqual({});
});
