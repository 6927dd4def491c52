/** The step of the phase that is on, and the passage of the state from the ReLA loss to the method's own. */
import type { Engine, HostTensors, Step } from '@rela/engine';
import type { Phase, PhaseRule, TrainingPlan } from '@rela/learning';

export interface PhasedStepOptions {
  engine: Engine;
  plan: TrainingPlan;
  rule: PhaseRule;
}

export class PhasedStep {
  private constructor(
    private readonly options: PhasedStepOptions,
    private compiled: Phase,
    private step: Step,
  ) {}

  /** @param state of the first step; its arrays are the step's from now on. */
  static async open(options: PhasedStepOptions, state: HostTensors): Promise<PhasedStep> {
    const { phase } = options.rule;
    return new PhasedStep(options, phase, await PhasedStep.compile(options, phase, state));
  }

  private get rule(): PhaseRule {
    return this.options.rule;
  }

  private static compile(
    { engine, plan }: PhasedStepOptions,
    phase: Phase,
    state: HostTensors,
  ): Promise<Step> {
    return engine.compile(plan.step(phase), state, plan.batchSpecs(phase), { takeState: true });
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
