/**
 * What every engine's step keeps to, whoever runs it.
 *
 * States: ready → running → ready by `run`; ready → disposed by `dispose`, which waits for a run that is under way. While the
 * step runs its state is in motion: it is neither read nor replaced, and a second run would start from the state of the first.
 * The batch is copied at the call into memory that is kept for it, so that its arrays may be filled again at once.
 */
import { EngineError } from '../errors.js';
import { allocate, type HostTensors, type StepFunction, sizeOf, type TensorSpec } from '../tensors.js';
import { checkSpecs, checkTensors, type Engine, type Step, type StepOptions } from './engine.js';
import { stackedSpecs } from './unrolled.js';

type Phase = 'ready' | 'running' | 'disposed';

class GuardedStep implements Step {
  private phase: Phase = 'ready';
  private last: Promise<unknown> = Promise.resolve();
  private readonly taken: HostTensors;

  constructor(
    private readonly step: Step,
    private readonly batch: Record<string, TensorSpec>,
  ) {
    this.taken = Object.fromEntries(
      Object.entries(batch).map(([name, { shape, dtype }]) => [
        name,
        { shape, dtype, data: allocate(dtype, sizeOf(shape)) },
      ]),
    );
  }

  get flops() {
    return this.step.flops;
  }

  get plan() {
    return this.step.plan;
  }

  async run(batch: HostTensors): Promise<HostTensors> {
    this.mustBeReady('run');
    checkTensors('batch', batch, this.batch);
    for (const [name, { data }] of Object.entries(this.taken)) data.set(batch[name]!.data);
    this.phase = 'running';
    const running = this.step.run(this.taken);
    this.last = running.catch(() => undefined);
    try {
      return await running;
    } finally {
      this.phase = 'ready';
    }
  }

  async state(): Promise<HostTensors> {
    this.mustBeReady('state');
    return this.step.state();
  }

  load(state: HostTensors): void {
    this.mustBeReady('load');
    this.step.load(state);
  }

  async dispose(): Promise<void> {
    if (this.phase === 'disposed') return;
    await this.last;
    this.phase = 'disposed';
    await this.step.dispose();
  }

  private mustBeReady(call: 'run' | 'state' | 'load'): void {
    switch (this.phase) {
      case 'ready':
        return;
      case 'running':
        throw new EngineError(
          'step-busy',
          `${call}() of a step is called while the step runs. Wait for run() first: the state is on its way from one step to the next.`,
        );
      case 'disposed':
        throw new EngineError(
          'step-disposed',
          `${call}() of a step is called after dispose(). Compile it again.`,
        );
      default:
        this.phase satisfies never;
    }
  }
}

export function guarded(engine: Engine): Engine {
  return {
    name: engine.name,
    copiesState: engine.copiesState,
    async compile(step: StepFunction, state, batch, options: StepOptions = {}) {
      checkSpecs('state', state);
      checkSpecs('batch', batch);
      checkTensors('state', state, state);
      const unroll = options.unroll ?? 1;
      if (!Number.isInteger(unroll) || unroll < 1)
        throw new EngineError('bad-option', `unroll is a number of steps, 1 or more, not ${unroll}.`);
      const ready = await engine.compile(step, state, batch, options);
      return new GuardedStep(ready, stackedSpecs(batch, unroll));
    },
    dispose: () => engine.dispose(),
  };
}
