import { RelaSpec } from '@rela/contracts';
import { expect, it } from 'vitest';
import { createPhaseRule, type PhaseRule } from './phase-rule.js';
import { adaptiveSwitch, initialSwitch, paceOf } from './switch.js';

const adaptive = (threshold = 0.995) => RelaSpec.parse({ switch: { kind: 'adaptive', threshold } });
const constant = (lambda: number) => RelaSpec.parse({ switch: { kind: 'static', lambda } });

/** Phases of the steps of a run in which every loss is 1. */
function phases(rule: PhaseRule, steps: number): string[] {
  return Array.from({ length: steps }, () => {
    const { phase } = rule;
    rule.observe(1);
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
  for (const rela of [adaptive(0.6), constant(0.5)]) {
    const run = { epochs: 60, stepsPerEpoch: 5 };
    const [whole, before, after] = [1, 2, 3].map(() => createPhaseRule(rela, run)) as [
      PhaseRule,
      PhaseRule,
      PhaseRule,
    ];
    const expected = phases(whole, 300);
    const first = phases(before, 40);
    after.restore(JSON.parse(JSON.stringify(before.save())));
    expect([...first, ...phases(after, 260)]).toEqual(expected);
    expect(after.switchStep).toBe(whole.switchStep);
    expect(whole.switchStep).not.toBeNull();
  }
});

it('sees as much of a short run under the scaled rule as the adaptive one of a run of the length of the paper’s', () => {
  // A loss that falls to 0.3 in a seventh of the run, however long it is.
  const switchedAfter = (kind: 'adaptive' | 'scaled', totalSteps: number) => {
    const rule = createPhaseRule(RelaSpec.parse({ switch: { kind } }), {
      epochs: 1,
      stepsPerEpoch: totalSteps,
    });
    for (let step = 0; step < totalSteps; step++)
      rule.observe(0.3 + 0.7 * Math.exp((-7 * step) / totalSteps));
    return rule.switchStep === null ? null : rule.switchStep / totalSteps;
  };
  const whole = switchedAfter('adaptive', 19_500)!;
  expect(whole).toBeGreaterThan(0.2);
  expect(whole).toBeLessThan(0.8);
  expect(switchedAfter('adaptive', 975)).toBeNull();
  expect(switchedAfter('scaled', 19_500)).toBe(whole);
  expect(Math.abs(switchedAfter('scaled', 975)! - whole)).toBeLessThan(0.02);
  // A run that is longer goes by the paper's own averages.
  expect(paceOf(100_000)).toBe(1);
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
