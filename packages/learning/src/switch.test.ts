import { expect, it } from 'vitest';
import { adaptiveSwitch, initialSwitch } from './switch.js';

it("follows the paper's order, to the last digit of the first three steps", () => {
  const losses = [1.02, 0.97, 0.91];
  const first = adaptiveSwitch(initialSwitch(), losses[0]!, 0.995);
  // slow = 2, fast = 1 before any loss is seen.
  expect(first.rho).toBeCloseTo(Math.exp(-1), 15);
  expect(first.fast).toBeCloseTo(0.999 + 0.00102, 15);
  expect(first.slow).toBeCloseTo(0.99 * 2 + 0.01 * 1.00002, 15);

  const second = adaptiveSwitch(first, losses[1]!, 0.995);
  expect(second.rho).toBeCloseTo(Math.exp(-(1.9900002 - 1.00002)), 14);
  expect(second.fast).toBeCloseTo(0.999 * 1.00002 + 0.00097, 14);
  expect(second.slow).toBeCloseTo(0.99 * 1.9900002 + 0.01 * (0.999 * 1.00002 + 0.00097), 14);

  const third = adaptiveSwitch(second, losses[2]!, 0.995);
  expect(third.rho).toBeCloseTo(Math.exp(-(second.slow - second.fast)), 14);
  expect(third.switched).toBe(false);
});

it('finds ρ as the closed form says while the loss stays constant at 1', () => {
  // fast stays 1, so slow − fast = 0.99^(t − 1) before step t, and ρ ≥ 0.995 needs 0.99^(t − 1) ≤ −ln 0.995.
  const expected = 1 + Math.ceil(Math.log(-Math.log(0.995)) / Math.log(0.99));
  let state = initialSwitch();
  let step = 0;
  while (!state.switched) {
    state = adaptiveSwitch(state, 1, 0.995);
    step++;
  }
  expect(step).toBe(expected);
});

it('is at ρ = 1 where the fast average lies above the slow one', () => {
  expect(adaptiveSwitch({ slow: 0.5, fast: 0.9, rho: 0, switched: false }, 1, 0.995)).toMatchObject({
    rho: 1,
    switched: true,
  });
});

it('never goes back', () => {
  const state = adaptiveSwitch({ slow: 2, fast: 0, rho: 1, switched: true }, 0, 0.995);
  expect(state.rho).toBeLessThan(0.995);
  expect(state.switched).toBe(true);
});
