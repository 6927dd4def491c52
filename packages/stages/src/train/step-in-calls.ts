/**
 * A training step, alone and several times in one call, with one state between the two.
 *
 * Where every call copies the state to a device and back, several steps in a call pay for that once. Metrics and state are those of
 * single steps, bit for bit; what several share is the moment at which a run can be stopped. So a call is kept short.
 */
import { type HostTensors, partOf, type Step, stack } from '@rela/engine';
import { secondsSince } from '../tools.js';

/** A quarter of the copies; more would save little, and take a graph as much longer to compile. */
export const STEPS_A_CALL = 4;

/** A run that is cancelled ends within two seconds, its last checkpoint included. */
const LONGEST_CALL_SECONDS = 0.5;

/** @param unroll steps that one run makes */
export type CompileStep = (state: HostTensors, unroll: number) => Promise<Step>;

export class StepInCalls {
  /** The one whose state is the newest. */
  private holder: Step;
  private isSlow = false;

  private constructor(
    private readonly single: Step,
    private readonly several: Step | null,
    private readonly longestCallSeconds: number,
  ) {
    this.holder = single;
  }

  /** @param copiesState whether a call copies the state, and several steps are worth a graph of their own */
  static async open(
    compile: CompileStep,
    state: HostTensors,
    {
      copiesState,
      longestCallSeconds = LONGEST_CALL_SECONDS,
    }: { copiesState: boolean; longestCallSeconds?: number },
  ): Promise<StepInCalls> {
    const single = await compile(state, 1);
    try {
      const several = copiesState ? await compile(await single.state(), STEPS_A_CALL) : null;
      return new StepInCalls(single, several, longestCallSeconds);
    } catch (error) {
      await single.dispose();
      throw error;
    }
  }

  /** Multiply-adds times two of one step. */
  get flops(): number {
    return this.single.flops;
  }

  get plan(): Step['plan'] {
    return this.single.plan;
  }

  /** How many steps the next call makes, of `certain` that follow whatever their losses are. */
  stepsOf(certain: number): number {
    return this.several && !this.isSlow && certain >= STEPS_A_CALL ? STEPS_A_CALL : 1;
  }

  /** @param batches of as many steps as `stepsOf` said @returns the metrics of each */
  async run(batches: readonly HostTensors[]): Promise<HostTensors[]> {
    const [first] = batches;
    if (batches.length === 1) return [await (await this.holding(this.single)).run(first!)];
    const several = await this.holding(this.several!);
    const began = performance.now();
    const metrics = await several.run(stack(batches));
    this.isSlow = secondsSince(began) > this.longestCallSeconds;
    return batches.map((_, at) => partOf(metrics, at));
  }

  state(): Promise<HostTensors> {
    return this.holder.state();
  }

  async dispose(): Promise<void> {
    await this.single.dispose();
    await this.several?.dispose();
  }

  /** Hands the state to `step`, where it is not there yet: at the ends of a phase, not from call to call. */
  private async holding(step: Step): Promise<Step> {
    if (step !== this.holder) step.load(await this.holder.state());
    this.holder = step;
    return step;
  }
}
