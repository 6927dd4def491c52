/** The step of the phase that is on, and the passage of the state from the ReLA loss to the method's own. */
import type { RelaSpec } from '@rela/contracts';
import type { Engine, HostTensors, Step } from '@rela/engine';
import { createPhaseRule, type Phase, type PhaseRule, type TrainingPlan } from '@rela/learning';
import type { Schedule } from './schedule.js';

export interface PhasedStepOptions {
  engine: Engine;
  plan: TrainingPlan;
  rela: RelaSpec | null;
  schedule: Schedule;
  state: HostTensors;
  /** State of the rule in a checkpoint; null at the beginning. */
  rule: unknown;
}

export class PhasedStep {
  private constructor(
    private readonly options: PhasedStepOptions,
    private readonly rule: PhaseRule,
    private compiled: Phase,
    private step: Step,
  ) {}

  static async open(options: PhasedStepOptions): Promise<PhasedStep> {
    const { rela, schedule, rule: saved } = options;
    const rule = createPhaseRule(rela, {
      epochs: schedule.totalSteps / schedule.stepsPerEpoch,
      stepsPerEpoch: schedule.stepsPerEpoch,
    });
    if (saved !== null) rule.restore(saved);
    const phase = rule.phase;
    return new PhasedStep(options, rule, phase, await PhasedStep.compile(options, phase, options.state));
  }

  private static compile(
    { engine, plan }: PhasedStepOptions,
    phase: Phase,
    state: HostTensors,
  ): Promise<Step> {
    return engine.compile(plan.step(phase), state, plan.batchSpecs(phase));
  }

  /** The phase of the step that comes next. */
  get phase(): Phase {
    return this.rule.phase;
  }

  /** The phase of the step that ran last. */
  get ranPhase(): Phase {
    return this.compiled;
  }

  get rho(): number | null {
    return this.rule.rho;
  }

  get switchStep(): number | null {
    return this.rule.switchStep;
  }

  /** Multiply-adds times two of one step of the phase that is on. */
  get flops(): number {
    return this.step.flops;
  }

  /** Makes the step of the phase ready that the rule asks for. True where it is another than before. */
  async advance(): Promise<boolean> {
    if (this.rule.phase === this.compiled) return false;
    const state = await this.step.state();
    await this.step.dispose();
    this.step = await PhasedStep.compile(this.options, this.rule.phase, state);
    this.compiled = this.rule.phase;
    return true;
  }

  run(batch: HostTensors): Promise<HostTensors> {
    return this.step.run(batch);
  }

  /** Tells the rule the loss of the step that ran. */
  observe(loss: number): void {
    this.rule.observe(loss);
  }

  ruleState(): unknown {
    return this.rule.save();
  }

  state(): Promise<HostTensors> {
    return this.step.state();
  }

  async close(): Promise<void> {
    await this.step.dispose();
  }
}
