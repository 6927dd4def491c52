/**
 * Layouts. Every value may stand in the graph in several forms: its axes in TF.js's order, or permuted. Form `[0, 3, 1, 2]`
 * of an NHWC value is NCHW. Ops take and leave the form that suits them; a Transpose is written only where a form is
 * asked for that is not there, and a Reshape where no element would move.
 */

import type { Value } from '../graph/graph.js';
import { sizeOf, type TensorData, transpose } from '../tensors.js';
import type { Builder } from './builder.js';
import { ints } from './model.js';

export type Form = readonly number[];

export const NCHW: Form = [0, 3, 1, 2];
/** Of a filter [height, width, in, out]. */
export const OIHW: Form = [3, 2, 0, 1];

export const identity = (rank: number): Form => Array.from({ length: rank }, (_, axis) => axis);
export const isIdentity = (form: Form): boolean => form.every((axis, index) => axis === index);
const isSame = (a: Form, b: Form) => a.length === b.length && a.every((axis, index) => axis === b[index]);

/** Sides of a value of `shape` in `form`. */
export const sidesIn = (shape: readonly number[], form: Form): number[] => form.map((axis) => shape[axis]!);

/** The permutation that leads from one form to another. */
const passage = (from: Form, to: Form): number[] => to.map((axis) => from.indexOf(axis));

/** True where a permutation moves only axes of length one, so that no element changes its place. */
function movesNothing(shape: readonly number[], from: Form, to: Form): boolean {
  const long = (form: Form) => form.filter((axis) => shape[axis]! > 1);
  return isSame(long(from), long(to));
}

interface Entry {
  native: Form;
  names: Map<string, string>;
}

export class Forms {
  private readonly entries = new Map<Value, Entry>();
  private readonly constants = new Map<Value, TensorData>();

  constructor(private readonly builder: Builder) {}

  define(value: Value, name: string, form: Form = identity(value.shape.length)): void {
    this.entries.set(value, { native: form, names: new Map([[String(form), name]]) });
  }

  defineConstant(value: Value, data: TensorData): void {
    this.constants.set(value, data);
    this.entries.set(value, { native: identity(value.shape.length), names: new Map() });
  }

  constantOf(value: Value): TensorData | undefined {
    return this.constants.get(value);
  }

  isConstant(value: Value): boolean {
    return this.constants.has(value);
  }

  /** The form in which the value was made. */
  native(value: Value): Form {
    return this.entry(value).native;
  }

  /** The name of the value in `form`. */
  use(value: Value, form: Form = identity(value.shape.length)): string {
    const entry = this.entry(value);
    const key = String(form);
    const known = entry.names.get(key);
    if (known) return known;
    const name = this.make(value, entry, form);
    entry.names.set(key, name);
    return name;
  }

  /** The value as an operand of an op of `rank` axes that works in `form`: missing axes are ones in front. */
  operand(value: Value, rank: number, form: Form): string {
    const { shape } = value;
    if (isIdentity(form) || shape.length === 0) return this.use(value);
    if (shape.length === rank) return this.use(value, form);
    const padded = [...new Array<number>(rank - shape.length).fill(1), ...shape];
    if (movesNothing(padded, identity(rank), form)) return this.reshaped(value, sidesIn(padded, form));
    const raised = this.reshaped(value, padded);
    return this.builder.emit('Transpose', [raised], { perm: ints(form) });
  }

  /** The value in TF.js's order with other sides. */
  reshaped(value: Value, sides: readonly number[]): string {
    const data = this.constants.get(value);
    if (data) return this.builder.constant({ dtype: value.dtype, dims: sides, data });
    return this.builder.emit('Reshape', [this.use(value), this.builder.ints(sides)]);
  }

  private entry(value: Value): Entry {
    const entry = this.entries.get(value);
    if (!entry) throw new Error(`Value ${value.id} is used before it is made.`);
    return entry;
  }

  private make(value: Value, { native, names }: Entry, form: Form): string {
    const data = this.constants.get(value);
    if (data) {
      const sides = sidesIn(value.shape, form);
      return this.builder.constant({
        dtype: value.dtype,
        dims: sides,
        data: transpose(data, value.shape, form),
      });
    }
    const source = names.get(String(native))!;
    if (movesNothing(value.shape, native, form))
      return this.builder.emit('Reshape', [source, this.builder.ints(sidesIn(value.shape, form))]);
    return this.builder.emit('Transpose', [source], { perm: ints(passage(native, form)) });
  }
}

/**
 * The form in which an elementwise op works: that of its largest operand of full rank that is not in TF.js's order,
 * since the others are then cheaper to move.
 */
export function commonForm(forms: Forms, inputs: readonly Value[], rank: number): Form {
  const candidates = inputs
    .filter((input) => input.shape.length === rank && !isIdentity(forms.native(input)))
    .sort((a, b) => sizeOf(b.shape) - sizeOf(a.shape));
  return candidates[0] ? forms.native(candidates[0]) : identity(rank);
}
