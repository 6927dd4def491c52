/** What an engine is: something that makes a step run, and keeps its state. */
import { EngineError } from '../errors.js';
import type { Plan } from '../plan/plan.js';
import { type HostTensors, isSameShape, type StepFunction, type TensorSpec } from '../tensors.js';

/** A ready step with its state. */
export interface Step {
  /** Runs the step on a batch and returns its metrics; the state moves on. @throws EngineError `shape-changed` */
  run(batch: HostTensors): Promise<HostTensors>;
  /** A copy of the state. */
  state(): Promise<HostTensors>;
  /** Replaces the state. @throws EngineError `state-mismatch` naming the key */
  load(state: HostTensors): void;
  /** Multiply-adds times two of the convolutions and matrix products of one step. */
  readonly flops: number;
  /** The kernels that were chosen; with it another engine makes the same step. Empty where there was nothing to choose. */
  readonly plan: Plan;
  dispose(): Promise<void>;
}

export interface CompileOptions {
  /** The arrays of the state become the engine's, which writes to them from now on: a network and its moments less in memory. */
  takeState?: boolean;
  /** Kernels to take whatever the engine would choose, as for a run that goes on; it chooses for shapes that are not in it. */
  plan?: Plan;
}

export interface Engine {
  readonly name: 'compiled' | 'eager';
  compile(
    step: StepFunction,
    state: HostTensors,
    batch: Record<string, TensorSpec>,
    options?: CompileOptions,
  ): Promise<Step>;
  dispose(): Promise<void>;
}

export function specsOf(tensors: HostTensors): Record<string, TensorSpec> {
  return Object.fromEntries(
    Object.entries(tensors).map(([name, { shape, dtype }]) => [name, { shape, dtype }]),
  );
}

const describe = ({ dtype, shape }: TensorSpec) => `${dtype} [${shape.join(', ')}]`;

/** @throws EngineError where `given` is not what the step was compiled for */
export function checkTensors(
  kind: 'state' | 'batch',
  given: HostTensors,
  expected: Record<string, TensorSpec>,
): void {
  const code = kind === 'state' ? 'state-mismatch' : 'shape-changed';
  for (const [name, spec] of Object.entries(expected)) {
    const tensor = given[name];
    if (!tensor)
      throw new EngineError(
        code,
        `The ${kind} has no "${name}"; the step was compiled with ${describe(spec)}.`,
      );
    if (tensor.dtype !== spec.dtype || !isSameShape(tensor.shape, spec.shape))
      throw new EngineError(
        code,
        `The ${kind}'s "${name}" is ${describe(tensor)}; the step was compiled with ${describe(spec)}. Compile it again for other shapes.`,
      );
  }
  const strange = Object.keys(given).find((name) => !(name in expected));
  if (strange !== undefined)
    throw new EngineError(
      code,
      `The ${kind} has "${strange}", which the step was compiled without. Known: ${Object.keys(expected).join(', ')}.`,
    );
}

/** What a step function may return. @throws EngineError naming the key that does not fit */
export function checkNextState(next: Record<string, TensorSpec>, state: Record<string, TensorSpec>): void {
  for (const [name, made] of Object.entries(next)) {
    const spec = state[name];
    if (!spec)
      throw new EngineError('state-mismatch', `The step returns a state "${name}" that it was not given.`);
    if (made.dtype !== spec.dtype || !isSameShape(made.shape, spec.shape))
      throw new EngineError(
        'state-mismatch',
        `The step returns its state "${name}" as ${describe(made)}; it was given ${describe(spec)}. A step keeps the shapes of its state.`,
      );
  }
}
