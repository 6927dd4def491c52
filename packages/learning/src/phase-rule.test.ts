import { RelaSpec } from '@rela/contracts';
import { describe, expect, it } from 'vitest';
import { createPhaseRule, type PhaseRule } from './phase-rule.js';
import { adaptiveSwitch, initialSwitch } from './switch.js';

const adaptive = (threshold = 0.995) => RelaSpec.parse({ switch: { kind: 'adaptive', threshold } });
const scaled = RelaSpec.parse({ switch: { kind: 'scaled' } });
const constant = (lambda: number) => RelaSpec.parse({ switch: { kind: 'static', lambda } });

/** Phases of the steps of a run, after so many others, in which every loss is 1, or as `lossOf` says. */
function phases(
  rule: PhaseRule,
  steps: number,
  { from = 0, lossOf = (_step: number): number => 1 } = {},
): string[] {
  return Array.from({ length: steps }, (_, at) => {
    const { phase } = rule;
    rule.observe(lossOf(from + at));
    return phase;
  });
}

it('uses the method from the first step without ReLA, and reports no switch', () => {
  const rule = createPhaseRule(null, { epochs: 2, stepsPerEpoch: 3 });
  expect(new Set(phases(rule, 6))).toEqual(new Set(['method']));
  expect([rule.switchStep, rule.rho]).toEqual([null, null]);
});

it('lets the first step that finds ρ at the threshold use the method, and names that step', () => {
  const rule = createPhaseRule(adaptive(0.6), { epochs: 10, stepsPerEpoch: 100 });
  let state = initialSwitch();
  let done = 0;
  while (rule.phase === 'rela') {
    expect(rule.switchStep).toBeNull();
    rule.observe(1);
    done++;
    state = adaptiveSwitch(state, 1, 0.6);
    expect(rule.rho).toBe(state.rho);
  }
  expect(state.rho).toBeGreaterThanOrEqual(0.6);
  expect(rule.switchStep).toBe(done + 1);
  rule.observe(100);
  expect([rule.phase, rule.switchStep, rule.rho]).toEqual(['method', done + 1, null]);
});

it('reports no switch for a run that is too short for the adaptive rule', () => {
  const rule = createPhaseRule(adaptive(), { epochs: 2, stepsPerEpoch: 20 });
  expect(new Set(phases(rule, 40))).toEqual(new Set(['rela']));
  expect(rule.switchStep).toBeNull();
});

it('gives the first ⌊λ·epochs⌋ epochs to the ReLA loss', () => {
  const count = (lambda: number, epochs: number) => {
    const rule = createPhaseRule(constant(lambda), { epochs, stepsPerEpoch: 3 });
    return [phases(rule, epochs * 3).filter((phase) => phase === 'rela').length, rule.switchStep];
  };
  expect(count(0.5, 5)).toEqual([6, 7]);
  expect(count(0.4, 5)).toEqual([6, 7]);
  expect(count(0.29, 100)).toEqual([87, 88]);
  expect(count(0, 5)).toEqual([0, 1]);
  expect(count(1, 5)).toEqual([15, null]);
});

it('goes on from a checkpoint as if it had never stopped', () => {
  const lossOf = (step: number) => Math.exp(-step / 20);
  for (const rela of [adaptive(0.6), scaled, constant(0.5)]) {
    const run = { epochs: 60, stepsPerEpoch: 5 };
    const [whole, before, after] = [1, 2, 3].map(() => createPhaseRule(rela, run)) as [
      PhaseRule,
      PhaseRule,
      PhaseRule,
    ];
    const expected = phases(whole, 300, { lossOf });
    const first = phases(before, 40, { lossOf });
    after.restore(JSON.parse(JSON.stringify(before.save())));
    expect([...first, ...phases(after, 260, { from: 40, lossOf })]).toEqual(expected);
    expect(after.switchStep).toBe(whole.switchStep);
    expect(whole.switchStep).not.toBeNull();
  }
});

describe('the scaled rule', () => {
  /** Share of a run after which it switches; null for never. The loss falls by `fall`, most of it in a seventh of the run. */
  const switchedAfter = (
    kind: 'adaptive' | 'scaled',
    totalSteps: number,
    { from = 1, fall = 0.7, pace = 7 } = {},
  ) => {
    const rule = createPhaseRule(RelaSpec.parse({ switch: { kind } }), {
      epochs: 1,
      stepsPerEpoch: totalSteps,
    });
    for (let step = 0; step < totalSteps; step++)
      rule.observe(from - fall * (1 - Math.exp((-pace * step) / totalSteps)));
    return rule.switchStep === null ? null : rule.switchStep / totalSteps;
  };

  it('leaves a short run after the same share of it as a long one, where the adaptive one never does', () => {
    const long = switchedAfter('scaled', 19_500)!;
    expect(long).toBeGreaterThan(0.3);
    expect(long).toBeLessThan(0.8);
    expect(switchedAfter('adaptive', 975)).toBeNull();
    expect(Math.abs(switchedAfter('scaled', 975)! - long)).toBeLessThan(0.02);
    expect(Math.abs(switchedAfter('scaled', 100)! - long)).toBeLessThan(0.05);
  });

  it('goes by the loss in its own measure, and stays as long as that falls evenly', () => {
    const little = switchedAfter('scaled', 1000, { from: 1, fall: 0.07 });
    expect(little).toBe(switchedAfter('scaled', 1000, { from: 10, fall: 7 }));
    // Nearly a straight line; and a loss that never falls.
    expect(switchedAfter('scaled', 1000, { pace: 0.1 })).toBeNull();
    expect(switchedAfter('scaled', 1000, { fall: 0 })).toBeNull();
  });
});

it('refuses a state that is none', () => {
  const rule = createPhaseRule(adaptive(), { epochs: 1, stepsPerEpoch: 1 });
  for (const damaged of [null, {}, { steps: 3 }, 'x', { steps: 1, switchStep: null, adaptive: {} }])
    expect(() => rule.restore(damaged)).toThrow('damaged');
});

it('takes λ as a share of the steps where a budget ends the run before its epochs', () => {
  const run = { epochs: 10, stepsPerEpoch: 4 };
  const steps = (more: object) => {
    const rule = createPhaseRule(constant(0.5), { ...run, ...more });
    let made = 0;
    for (; rule.phase === 'rela' && made < 40; made++) rule.observe(1);
    return made;
  };
  expect(steps({})).toBe(20);
  expect(steps({ totalSteps: 40 })).toBe(20);
  expect(steps({ totalSteps: 11 })).toBe(5);
});

it('knows how many steps are in the phase whatever their losses: all after the switch, one under the adaptive rule', () => {
  const run = { epochs: 4, stepsPerEpoch: 3 };
  expect(createPhaseRule(null, run).certain).toBe(Number.POSITIVE_INFINITY);
  const half = createPhaseRule(constant(0.5), run);
  const certain: [string, number][] = [];
  for (let step = 0; step < 7; step++) {
    certain.push([half.phase, half.certain]);
    half.observe(1);
  }
  expect(certain).toEqual([
    ...[6, 5, 4, 3, 2, 1].map((left) => ['rela', left]),
    ['method', Number.POSITIVE_INFINITY],
  ]);
  const found = createPhaseRule(adaptive(0.6), { epochs: 10, stepsPerEpoch: 100 });
  while (found.phase === 'rela') {
    expect(found.certain).toBe(1);
    found.observe(1);
  }
  expect(found.certain).toBe(Number.POSITIVE_INFINITY);
});
