/**
 * Which loss the next step uses.
 *
 *   rela ──the rule's condition holds──▶ method      never back
 *
 * Adaptive and scaled: the condition is ρ ≥ threshold, found before the step, each with a ρ of its own. Static λ: ⌊λ·epochs⌋ epochs are
 * done; where a budget of steps or images ends the run before its epochs, ⌊λ·steps⌋ steps of those that are left of them. Without ReLA a
 * run is in `method` from the start.
 */
import { ProblemError, type RelaSpec } from '@rela/contracts';
import { portion } from '@rela/random';
import { initialScaledSwitch, type ScaledSwitchState, scaledSwitch } from './scaled-switch.js';
import { adaptiveSwitch, initialSwitch, type SwitchState } from './switch.js';

export type Phase = 'rela' | 'method';

export interface PhaseRule {
  /** Of the next step. */
  readonly phase: Phase;
  /** Steps, the next one included, that are in that phase whatever their losses will be. */
  readonly certain: number;
  /** Number, from 1, of the first step in `method`, as soon as it is known; null before, and without ReLA. */
  readonly switchStep: number | null;
  /** The adaptive or scaled rule's ρ after the last step; null where that step was in `method`, and for another rule. */
  readonly rho: number | null;
  /** Takes the loss of the step that was just made. */
  observe(loss: number): void;
  /** State as JSON, for a checkpoint. */
  save(): PhaseRuleState;
  /** @throws ProblemError `invalid-data` for what `save` never wrote. */
  restore(saved: unknown): void;
}

export interface PhaseRuleState {
  /** Steps that are done. */
  steps: number;
  switchStep: number | null;
  adaptive: SwitchState | null;
  scaled: ScaledSwitchState | null;
}

/** How long a run is. */
export interface PhaseRuleRun {
  epochs: number;
  stepsPerEpoch: number;
  /** Where a budget makes it fewer than those of its epochs. */
  totalSteps?: number;
}

/** A run's rule at its first step. `rela`: null without ReLA. */
export function createPhaseRule(rela: RelaSpec | null, run: PhaseRuleRun): PhaseRule {
  return new StepwiseRule(rela, run);
}

class StepwiseRule implements PhaseRule {
  #steps = 0;
  #switchStep: number | null = null;
  #adaptive: SwitchState | null;
  #scaled: ScaledSwitchState | null;

  constructor(
    private readonly rela: RelaSpec | null,
    private readonly run: PhaseRuleRun,
  ) {
    this.#adaptive = rela?.switch.kind === 'adaptive' ? initialSwitch() : null;
    this.#scaled = rela?.switch.kind === 'scaled' ? initialScaledSwitch() : null;
    this.#decide();
  }

  get phase(): Phase {
    return this.rela === null || this.#switchStep !== null ? 'method' : 'rela';
  }

  get certain(): number {
    if (this.rela === null || this.phase === 'method') return Number.POSITIVE_INFINITY;
    const { switch: rule } = this.rela;
    switch (rule.kind) {
      case 'adaptive':
      case 'scaled':
        return 1;
      case 'static':
        return Math.max(this.#stepsBefore(rule.lambda) - this.#steps, 1);
      default:
        return rule satisfies never;
    }
  }

  get switchStep(): number | null {
    return this.#switchStep;
  }

  get rho(): number | null {
    const lastWasRela = this.#switchStep === null || this.#steps < this.#switchStep;
    return lastWasRela ? this.#found : null;
  }

  get #found(): number | null {
    return (this.#adaptive ?? this.#scaled)?.rho ?? null;
  }

  observe(loss: number): void {
    const rule = this.rela?.switch;
    if (this.#switchStep === null) {
      if (rule?.kind === 'adaptive' && this.#adaptive)
        this.#adaptive = adaptiveSwitch(this.#adaptive, loss, rule.threshold);
      if (this.#scaled) this.#scaled = scaledSwitch(this.#scaled, loss, this.#totalSteps);
    }
    this.#steps++;
    this.#decide();
  }

  save(): PhaseRuleState {
    return {
      ...{ steps: this.#steps, switchStep: this.#switchStep },
      ...{ adaptive: this.#adaptive, scaled: this.#scaled },
    };
  }

  restore(saved: unknown): void {
    const state = saved as Partial<PhaseRuleState> | null;
    const isOf = (own: object | null, saved?: { rho?: number } | null) =>
      own ? typeof saved?.rho === 'number' : !saved;
    const isOfThisRule = isOf(this.#adaptive, state?.adaptive) && isOf(this.#scaled, state?.scaled);
    if (typeof state?.steps !== 'number' || state.switchStep === undefined || !isOfThisRule)
      throw new ProblemError('invalid-data', "The checkpoint's switch rule is damaged. Start the run again.");
    this.#steps = state.steps;
    this.#switchStep = state.switchStep;
    this.#adaptive = state.adaptive ?? null;
    this.#scaled = state.scaled ?? null;
  }

  /** Whether the step after those that are done leaves the ReLA loss. */
  #decide(): void {
    if (this.rela === null || this.#switchStep !== null) return;
    if (this.#steps < this.#totalSteps && this.#conditionHolds(this.rela)) this.#switchStep = this.#steps + 1;
  }

  get #totalSteps(): number {
    return this.run.totalSteps ?? this.run.epochs * this.run.stepsPerEpoch;
  }

  #stepsBefore(lambda: number): number {
    const { epochs, stepsPerEpoch } = this.run;
    if (this.#totalSteps < epochs * stepsPerEpoch) return portion(lambda, this.#totalSteps);
    return portion(lambda, epochs) * stepsPerEpoch;
  }

  #conditionHolds({ switch: rule }: RelaSpec): boolean {
    switch (rule.kind) {
      case 'adaptive':
      case 'scaled':
        return (this.#found ?? 0) >= rule.threshold;
      case 'static':
        return this.#steps >= this.#stepsBefore(rule.lambda);
      default:
        return rule satisfies never;
    }
  }
}
