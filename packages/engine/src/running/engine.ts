/** What an engine is: something that makes a step run, and keeps its state. */
import { EngineError } from '../errors.js';
import type { Plan } from '../plan/plan.js';
import {
  type DType,
  type HostTensors,
  isSameShape,
  type StepFunction,
  sizeOf,
  type TensorSpec,
} from '../tensors.js';

/** A ready step with its state. */
export interface Step {
  /**
   * Runs the step on a batch, as it is at the call, and returns its metrics; the state moves on.
   * @throws EngineError `shape-changed`; `step-busy` before an earlier call has ended
   */
  run(batch: HostTensors): Promise<HostTensors>;
  /** A copy of the state. */
  state(): Promise<HostTensors>;
  /** Replaces the state. @throws EngineError `state-mismatch` naming the key */
  load(state: HostTensors): void;
  /** Multiply-adds times two of the convolutions and matrix products of one run. */
  readonly flops: number;
  /** The kernels that were chosen; with it another engine makes the same step. Empty where there was nothing to choose. */
  readonly plan: Plan;
  dispose(): Promise<void>;
}

export interface StepOptions {
  /**
   * Steps that one run makes. More than one: batches are handed in stacked along a new first axis, the metrics of every step
   * come out stacked, and the state goes through. Default 1.
   */
  unroll?: number;
  /** The arrays of the state become the engine's, which writes to them from now on: a network and its moments less in memory. */
  takeState?: boolean;
  /** Kernels to take whatever the engine would choose, as for a run that goes on; it chooses for shapes that are not in it. */
  plan?: Plan;
}

/**
 * `compiled`: one ONNX graph, on the processor; `webgpu`, `cuda`: the same graph on a device; `eager`: op by op on TF.js's native
 * backend.
 */
export const ENGINE_NAMES = ['compiled', 'webgpu', 'cuda', 'eager'] as const;
export type EngineName = (typeof ENGINE_NAMES)[number];

export interface Engine {
  readonly name: EngineName;
  /** True where every run copies the state to a device and back, so that several steps in one call save most of its cost. */
  readonly copiesState: boolean;
  /** @throws EngineError naming the op, the user's line and the way out */
  compile(
    step: StepFunction,
    state: HostTensors,
    batch: Record<string, TensorSpec>,
    options?: StepOptions,
  ): Promise<Step>;
  dispose(): Promise<void>;
}

export function specsOf(tensors: HostTensors): Record<string, TensorSpec> {
  return Object.fromEntries(
    Object.entries(tensors).map(([name, { shape, dtype }]) => [name, { shape, dtype }]),
  );
}

export const describe = ({ dtype, shape }: TensorSpec) => `${dtype} [${shape.join(', ')}]`;

const ARRAYS = { float32: Float32Array, int32: Int32Array, bool: Uint8Array } as const;
const DTYPES = Object.keys(ARRAYS) as DType[];

/** Shapes and types that a step can have. @throws EngineError `bad-option` naming the key */
export function checkSpecs(kind: 'state' | 'batch', specs: Record<string, TensorSpec>): void {
  if (typeof specs !== 'object' || specs === null)
    throw new EngineError('bad-option', `A step is compiled with its ${kind}: tensors by name, such as {}.`);
  for (const [name, spec] of Object.entries(specs)) {
    const isShape =
      Array.isArray(spec?.shape) && spec.shape.every((side) => Number.isInteger(side) && side >= 0);
    if (!isShape || !DTYPES.includes(spec.dtype))
      throw new EngineError(
        'bad-option',
        `The ${kind}'s "${name}" needs a shape of whole numbers and a dtype of ${DTYPES.join(', ')}, such as { shape: [2, 3], dtype: 'float32' }.`,
      );
  }
}

/** @throws EngineError where `given` is not what the step was compiled for */
export function checkTensors(
  kind: 'state' | 'batch',
  given: HostTensors,
  expected: Record<string, TensorSpec>,
): void {
  const fault = (text: string) =>
    new EngineError(kind === 'state' ? 'state-mismatch' : 'shape-changed', `The ${kind}${text}`);
  if (typeof given !== 'object' || given === null)
    throw fault(` is ${String(given)}; a step runs on tensors by name.`);
  for (const [name, spec] of Object.entries(expected)) {
    const tensor = given[name];
    if (!tensor) throw fault(` has no "${name}"; the step was compiled with ${describe(spec)}.`);
    if (tensor.dtype !== spec.dtype || !isSameShape(tensor.shape, spec.shape))
      throw fault(
        `'s "${name}" is ${describe(tensor)}; the step was compiled with ${describe(spec)}. Compile it again for other shapes.`,
      );
    const { data } = tensor;
    const wanted = ARRAYS[spec.dtype];
    if (!(data instanceof wanted) || data.length !== sizeOf(spec.shape))
      throw fault(
        `'s "${name}" is ${describe(spec)}, but its data is not: it must be a ${wanted.name} of ${sizeOf(spec.shape)} elements.`,
      );
  }
  const strange = Object.keys(given).find((name) => !(name in expected));
  if (strange !== undefined)
    throw fault(
      ` has "${strange}", which the step was compiled without. Known: ${Object.keys(expected).join(', ')}.`,
    );
}
