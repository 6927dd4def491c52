/** What a lowering works with: one TF.js op in, ONNX nodes out. */
import { EngineError } from '../../errors.js';
import type { GraphNode, Value } from '../../graph/graph.js';
import type { DType } from '../../tensors.js';
import type { Builder } from '../builder.js';
import type { Form, Forms } from '../forms.js';
import { int } from '../model.js';

export interface Context {
  readonly builder: Builder;
  readonly forms: Forms;
  /** Only ONNX's own ops, so that other runtimes can read the model. */
  readonly portable: boolean;
  /** Channels in a block of ONNX Runtime's direct convolutions; null where they are not to be used. */
  readonly block: number | null;
  /** Threads that the graph will run on. */
  readonly threads: number;
}

export type Lowering = (node: GraphNode, context: Context) => void;

export function input(node: GraphNode, index: number): Value {
  const value = node.inputs[index];
  if (!value) throw new Error(`${node.op} has no input ${index}.`);
  return value;
}

export function output(node: GraphNode, index = 0): Value {
  const value = node.outputs[index];
  if (!value) throw new Error(`${node.op} has no output ${index}.`);
  return value;
}

export function define({ forms }: Context, node: GraphNode, name: string, form?: Form): void {
  forms.define(output(node), name, form);
}

type Element = DType | 'int64' | 'uint64';

const ELEMENT: Record<Element, number> = { float32: 1, int32: 6, int64: 7, bool: 9, uint64: 13 };

export function cast({ builder }: Context, name: string, dtype: Element): string {
  return builder.emit('Cast', [name], { to: int(ELEMENT[dtype]) });
}

export function unsupported(node: GraphNode, what: string): EngineError {
  return new EngineError(
    'unsupported-op',
    `${node.op} ${what}, called at ${node.line}, has no translation to ONNX. Write it with other ops, or run the step with the eager engine.`,
    { op: `${node.op} ${what}` },
  );
}
