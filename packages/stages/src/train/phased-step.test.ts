import type { Engine, Plan, Step, StepOptions } from '@rela/engine';
import { createPhaseRule, type TrainingPlan } from '@rela/learning';
import { expect, it } from 'vitest';
import { PhasedStep } from './phased-step.js';

/** An engine that chooses `chosen` for what nobody gave it, one plan a compilation, and notes what it was given. */
function noting(chosen: Plan[]) {
  const given: StepOptions[] = [];
  const engine: Engine = {
    name: 'compiled',
    copiesState: false,
    async compile(_step, _state, _batch, options = {}) {
      given.push(options);
      const plan = { ...chosen[given.length - 1], ...options.plan };
      const step: Partial<Step> = { plan, flops: 1, state: async () => ({}), dispose: async () => undefined };
      return step as Step;
    },
    dispose: async () => undefined,
  };
  return { engine, given };
}

const plan = {
  step: () => () => ({ state: {}, metrics: {} }),
  batchSpecs: () => ({}),
} as never as TrainingPlan;
const rule = () =>
  createPhaseRule(
    { switch: { kind: 'static', lambda: 0.5 }, transport: 'fixed' },
    { epochs: 2, stepsPerEpoch: 1 },
  );

it('keeps the kernels of a shape over the switch, and names those of both phases', async () => {
  const { engine, given } = noting([{ small: 'direct' }, { small: 'winograd4', large: 'winograd2' }]);
  const phased = await PhasedStep.open({ engine, plan, rule: rule(), kernels: {} }, {});
  phased.observe(1);
  expect(await phased.advance()).toBe(true);
  expect(given.map((options) => options.plan)).toEqual([{}, { small: 'direct' }]);
  expect(phased.kernels).toEqual({ small: 'direct', large: 'winograd2' });
});

it('goes on with the kernels of the checkpoint, whatever the engine would choose', async () => {
  const { engine, given } = noting([{ small: 'direct' }]);
  const kernels = { small: 'winograd2', other: 'direct' };
  const phased = await PhasedStep.open({ engine, plan, rule: rule(), kernels }, {});
  expect(given[0]!.plan).toEqual(kernels);
  expect(phased.kernels).toEqual(kernels);
});

it('refuses a checkpoint with kernels that this version does not have', async () => {
  const { engine } = noting([]);
  const opening = PhasedStep.open({ engine, plan, rule: rule(), kernels: { small: 'winograd6' } }, {});
  await expect(opening).rejects.toThrow(/"winograd6" for small.*Known: direct/s);
});
