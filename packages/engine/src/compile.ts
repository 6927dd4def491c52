/** The whole package in one call: a step function in, a ready step out. */
import type { Tensor } from '@tensorflow/tfjs-core';
import { EngineError } from './errors.js';
import { createEngine, type EngineOptions } from './running/create.js';
import type { Engine, Step, StepOptions } from './running/engine.js';
import type { HostTensors, StepFunction, TensorSpec, Tensors } from './tensors.js';

export interface CompileOptions<State extends HostTensors, Batch extends Record<string, TensorSpec>>
  extends Partial<EngineOptions>,
    Omit<StepOptions, 'plan'> {
  /** The state that the first step is given. */
  state: State;
  /** Shapes and types of a batch; an example batch will do. */
  batch: Batch;
}

/** One engine for all steps with the same options; it lives as long as the process. */
const shared = new Map<string, Promise<Engine>>();

function sharedEngine(options: EngineOptions): Promise<Engine> {
  const key = JSON.stringify(Object.entries(options).sort(([a], [b]) => (a < b ? -1 : 1)));
  const known = shared.get(key);
  if (known) return known;
  const made = createEngine(options);
  shared.set(key, made);
  // What was missing may be there at the next call.
  made.catch(() => shared.delete(key));
  return made;
}

/**
 * Compiles a training step, a pure function in plain TF.js: (state, batch) → { state, metrics }.
 * @returns the step with its state; `run` advances it
 * @throws EngineError naming what was wrong, the user's line and the way out
 */
export async function compile<State extends HostTensors, Batch extends Record<string, TensorSpec>>(
  step: (
    state: { [Name in keyof State]: Tensor },
    batch: { [Name in keyof Batch]: Tensor },
  ) => { state: Partial<{ [Name in keyof State]: Tensor }>; metrics: Tensors },
  options: CompileOptions<State, Batch>,
): Promise<Step> {
  if (typeof step !== 'function')
    throw new EngineError('bad-option', 'compile takes a step function and { state, batch }.');
  const { state, batch, unroll = 1, takeState = false, engine: name = 'auto', ...others } = options ?? {};
  const engine = await sharedEngine({ engine: name, ...others });
  return engine.compile(step as unknown as StepFunction, state, batch, { unroll, takeState });
}
