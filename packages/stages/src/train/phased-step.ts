/** The step of the phase that is on, and the passage of the state from the ReLA loss to the method's own. */
import type { Kernels } from '@rela/contracts';
import { type Engine, type HostTensors, parsePlan } from '@rela/engine';
import type { Phase, PhaseRule, TrainingPlan } from '@rela/learning';
import { StepInCalls } from './step-in-calls.js';

export interface PhasedStepOptions {
  engine: Engine;
  plan: TrainingPlan;
  rule: PhaseRule;
  /** Those that the run began with; none at its beginning. */
  kernels: Kernels;
}

export class PhasedStep {
  private constructor(
    private readonly options: PhasedStepOptions,
    private compiled: Phase,
    private step: StepInCalls,
    private before: Kernels,
  ) {}

  /** @param state of the first step; its arrays are the step's from now on. */
  static async open(options: PhasedStepOptions, state: HostTensors): Promise<PhasedStep> {
    const { phase } = options.rule;
    const step = await PhasedStep.compile(options, phase, state);
    return new PhasedStep(options, phase, step, options.kernels);
  }

  private get rule(): PhaseRule {
    return this.options.rule;
  }

  private static compile(
    { engine, plan, kernels }: PhasedStepOptions,
    phase: Phase,
    state: HostTensors,
  ): Promise<StepInCalls> {
    const options = { takeState: true, plan: parsePlan(kernels) };
    const compile = (from: HostTensors, unroll: number) =>
      engine.compile(plan.step(phase), from, plan.batchSpecs(phase), { ...options, unroll });
    return StepInCalls.open(compile, state, engine);
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
    this.before = this.kernels;
    await this.step.dispose();
    this.step = await PhasedStep.compile({ ...this.options, kernels: this.before }, this.rule.phase, state);
    this.compiled = this.rule.phase;
    return true;
  }

  /**
   * How many runs of the step the next call makes: a run a step, or a part of its batch.
   * @param left steps before something is to be decided, `done` parts of the first included
   */
  runsOfNextCall(left: number, done: number): number {
    return this.step.stepsOf(Math.min(left, this.rule.certain) * this.options.plan.parts - done);
  }

  /** @param batches of as many runs as `runsOfNextCall` said @returns the metrics of each */
  run(batches: readonly HostTensors[]): Promise<HostTensors[]> {
    return this.step.run(batches);
  }

  /** Tells the rule the loss of the step that ran. */
  observe(loss: number): void {
    this.rule.observe(loss);
  }

  /** Kernels of all steps so far: a shape keeps those that it got first. */
  get kernels(): Kernels {
    return { ...this.step.plan, ...this.before };
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
