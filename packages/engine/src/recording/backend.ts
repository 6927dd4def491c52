/** A TF.js backend without numbers: it keeps a shape for every tensor and a node for every op. */
import type { BackendValues, DataId, DataType, TensorInfo } from '@tensorflow/tfjs-core';
import { EngineError } from '../errors.js';
import type { Attributes, Graph, GraphNode, Value } from '../graph/graph.js';
import { allocate, type DType, sizeOf, type TensorData, type TensorSpec } from '../tensors.js';
import { tf } from '../tf.js';
import { hostValue, type InputNames } from './host-values.js';
import { sourceLine } from './source-line.js';

export const BACKEND = 'recording';

function asDType(dtype: string, op: string): DType {
  if (dtype === 'float32' || dtype === 'int32' || dtype === 'bool') return dtype;
  throw new EngineError(
    'unsupported-op',
    `${op} makes a ${dtype} tensor at ${sourceLine()}; a recorded step knows float32, int32 and bool.`,
  );
}

export function disposedTensor(op: string, line: string): EngineError {
  return new EngineError(
    'disposed-tensor',
    `${op} at ${line} uses a tensor that was made outside the step and is disposed. Hand it in as state or batch, or keep it (tf.keep).`,
  );
}

/** Every tensor of every recording, so that one that is left behind is told from one that was disposed. */
const recorded = new WeakSet<DataId>();

/** What is written down while one function runs. */
export class Tape {
  /** A value was read. Kept, since the user's code may catch it, or wait for it for ever. */
  refusal: EngineError | null = null;
  readonly inputs = new Map<string, Value>();
  readonly constants = new Map<Value, TensorData>();
  readonly nodes: GraphNode[] = [];
  private readonly valueOf = new WeakMap<DataId, Value>();
  /** Of tensors from outside, by shape too: a reshaped tensor shares its data with the one it came from. */
  private readonly captured = new WeakMap<DataId, Map<string, Value>>();
  private count = 0;

  private newValue(id: DataId, shape: readonly number[], dtype: DType): Value {
    const value = { id: this.count++, shape: [...shape], dtype };
    this.valueOf.set(id, value);
    recorded.add(id);
    return value;
  }

  private isOfAnotherRecording(id: DataId): boolean {
    return recorded.has(id) && !this.valueOf.has(id);
  }

  input(name: string, { shape, dtype }: TensorSpec): DataId {
    const id = {};
    this.inputs.set(name, this.newValue(id, shape, dtype));
    return id;
  }

  constant(id: DataId, data: ArrayLike<number> | null, shape: readonly number[], dtype: DType): void {
    this.addConstant(this.newValue(id, shape, dtype), data);
  }

  private addConstant(value: Value, data: ArrayLike<number> | null): Value {
    const copy = allocate(value.dtype, sizeOf(value.shape));
    if (data) copy.set(data);
    this.constants.set(value, copy);
    return value;
  }

  /** The value behind a tensor. A tensor from outside the step becomes a constant, with the numbers it has now. */
  lookUp(tensor: TensorInfo, op: string): Value {
    return this.valueOf.get(tensor.dataId) ?? this.capture(tensor, op);
  }

  private capture({ dataId, shape, dtype }: TensorInfo, op: string): Value {
    const shapes = this.captured.get(dataId) ?? new Map<string, Value>();
    this.captured.set(dataId, shapes);
    const known = shapes.get(String(shape));
    if (known) return known;
    const owner = tf.engine().state.tensorInfo.get(dataId)?.backend;
    if (this.isOfAnotherRecording(dataId) || owner instanceof RecordingBackend)
      throw new EngineError(
        'kept-tensor',
        `${op} at ${sourceLine()} uses a tensor that an earlier recording of a step has left behind: it never had numbers. What a step keeps for the next one is returned as its state.`,
      );
    if (!owner) throw disposedTensor(op, sourceLine());
    // Read where it is: TF.js would move it here, and nobody outside could use it any more.
    const data = owner.readSync(dataId) as ArrayLike<number>;
    const value = this.addConstant({ id: this.count++, shape: [...shape], dtype: asDType(dtype, op) }, data);
    shapes.set(String(shape), value);
    return value;
  }

  add(
    op: string,
    inputs: Value[],
    attributes: Attributes,
    outputs: { shape: readonly number[]; dtype: string }[],
  ): TensorInfo[] {
    const made = outputs.map(({ shape, dtype }) => {
      const dataId = {};
      return { dataId, value: this.newValue(dataId, shape, asDType(dtype, op)) };
    });
    this.nodes.push({ op, inputs, attributes, outputs: made.map(({ value }) => value), line: sourceLine() });
    return made.map(({ dataId, value }) => ({ dataId, shape: [...value.shape], dtype: value.dtype }));
  }

  /** The numbers of a tensor of this tape where they depend on no input, else null. */
  read(id: DataId, namesOf: InputNames): TensorData | null {
    const value = this.valueOf.get(id);
    return value ? hostValue(value, this, namesOf) : null;
  }

  finish(outputs: Map<string, Value>): Graph {
    return { inputs: this.inputs, outputs, constants: this.constants, nodes: this.nodes };
  }
}

/**
 * TF.js asks its backend to store what it makes from numbers (`write`) and to hand numbers out (`read`).
 * The first becomes a constant of the tape. The second is refused where numbers depend on an input: a graph has none yet.
 */
export class RecordingBackend extends tf.KernelBackend {
  tape: Tape | null = null;
  private readonly mover = new tf.DataStorage<true>(this, tf.engine());

  constructor(private readonly inputNames: InputNames) {
    super();
  }

  private get current(): Tape {
    if (!this.tape)
      throw new EngineError(
        'outside-step',
        `A tensor is made or used outside a step at ${sourceLine()}, where nothing computes. Make it inside the step, or hand its numbers in as state or batch.`,
      );
    return this.tape;
  }

  override write(values: BackendValues, shape: number[], dtype: DataType): DataId {
    const id = {};
    this.move(id, values, shape, dtype);
    return id;
  }

  override move(id: DataId, values: BackendValues, shape: number[], dtype: DataType): void {
    this.current.constant(id, values as ArrayLike<number> | null, shape, asDType(dtype, 'tf.tensor'));
    this.mover.set(id, true);
  }

  valueBehind(tensor: TensorInfo, op: string): Value {
    return this.current.lookUp(tensor, op);
  }

  private refuse(): EngineError {
    const refusal = new EngineError(
      'data-dependent',
      `A value of the step is read at ${sourceLine()}. While a step is recorded its tensors have no numbers: control flow cannot depend on them. Use tf.where in place of if, and return what you want to look at as a metric.`,
    );
    if (this.tape) this.tape.refusal ??= refusal;
    return refusal;
  }

  override readSync(id: DataId): BackendValues {
    const known = this.tape?.read(id, this.inputNames);
    if (!known) throw this.refuse();
    return known.slice();
  }

  /**
   * Never settles where there are no numbers: a rejection that the step does not wait for would end the process. The recording throws
   * in its place.
   */
  override read(id: DataId): Promise<BackendValues> {
    const known = this.tape?.read(id, this.inputNames);
    if (known) return Promise.resolve(known.slice());
    this.refuse();
    return new Promise<never>(() => undefined);
  }

  override numDataIds(): number {
    return this.mover.numDataIds();
  }

  override disposeData(id: DataId): boolean {
    this.mover.delete(id);
    return true;
  }

  override incRef(): void {
    // Nothing is stored, so nothing is counted.
  }

  override refCount(): number {
    return 1;
  }

  override timerAvailable(): boolean {
    return false;
  }

  override epsilon(): number {
    return 1e-7;
  }

  override floatPrecision(): 16 | 32 {
    return 32;
  }

  override dispose(): void {
    this.tape = null;
  }
}
