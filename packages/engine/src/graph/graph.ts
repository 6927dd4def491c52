/** The recorded graph: TF.js's own ops on values of known shape. What an op means is TF.js's; how it runs is decided later. */
import type { DType, TensorData } from '../tensors.js';

export interface Value {
  readonly id: number;
  readonly shape: readonly number[];
  readonly dtype: DType;
}

/** Attributes as TF.js hands them to a kernel. */
export type Attributes = Readonly<Record<string, unknown>>;

export interface GraphNode {
  /** TF.js's kernel name. */
  readonly op: string;
  readonly inputs: readonly Value[];
  readonly attributes: Attributes;
  readonly outputs: readonly Value[];
  /** The user's line that called the op. */
  readonly line: string;
}

export interface Graph {
  readonly inputs: ReadonlyMap<string, Value>;
  readonly outputs: ReadonlyMap<string, Value>;
  readonly constants: ReadonlyMap<Value, TensorData>;
  /** In an order in which they can run. */
  readonly nodes: readonly GraphNode[];
}
