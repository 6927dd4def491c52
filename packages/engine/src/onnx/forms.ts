/**
 * Layouts. Every value may stand in the graph in several forms. A form lists the axes of TF.js's order as they lie in
 * memory; an axis may be whole, or split into blocks, its outer part and its inner part then lying apart. `[0, 3, 1, 2]` of
 * an NHWC value is NCHW, and `[0, outer(3), 1, 2, inner(3)]` is NCHWc, the layout of ONNX Runtime's direct convolutions.
 * Ops take and leave the form that suits them; a Transpose is written only where a form is asked for that is not there, and
 * a Reshape where no element would move.
 */
import type { Value } from '../graph/graph.js';
import { sizeOf, type TensorData, transpose } from '../tensors.js';
import type { Builder } from './builder.js';
import { move } from './movement.js';

export type Form = readonly number[];

const OUTER = 100;
const INNER = 200;
/** Which block of an axis. */
export const outer = (axis: number) => axis + OUTER;
/** Which place inside a block. */
export const inner = (axis: number) => axis + INNER;
export const axisOf = (part: number) => part % OUTER;
const isWhole = (part: number) => part < OUTER;

export const NCHW: Form = [0, 3, 1, 2];
/** Of a filter [height, width, in, out]. */
export const OIHW: Form = [3, 2, 0, 1];
export const NCHWC: Form = [0, outer(3), 1, 2, inner(3)];

export const identity = (rank: number): Form => Array.from({ length: rank }, (_, axis) => axis);
export const isIdentity = (form: Form): boolean => form.every((part, index) => part === index);
export const isBlocked = (form: Form): boolean => !form.every(isWhole);

/** How forms with split axes are measured: the number of elements in a block. */
export class Measure {
  constructor(readonly block: number) {}

  /** An axis of length one broadcasts: split, it is one block of one. */
  private sideOf(length: number, part: number): number {
    if (isWhole(part) || length === 1) return length;
    return part < INNER ? length / this.block : this.block;
  }

  /** Sides of a value of `shape` in `form`. */
  sides(shape: readonly number[], form: Form): number[] {
    return form.map((part) => this.sideOf(shape[axisOf(part)]!, part));
  }

  /** `form` with every axis split that one of the two splits. */
  private refined(form: Form, other: Form): number[] {
    const split = new Set([...form, ...other].filter((part) => !isWhole(part)).map(axisOf));
    return form.flatMap((part) => (isWhole(part) && split.has(part) ? [outer(part), inner(part)] : [part]));
  }

  /** The reshape, permutation and reshape that lead from one form to another; null for those that change nothing. */
  passage(shape: readonly number[], from: Form, to: Form) {
    const start = this.refined(from, to);
    const end = this.refined(to, from);
    const perm = end.map((part) => start.indexOf(part));
    const sides = this.sides(shape, start);
    const long = perm.filter((index) => sides[index]! > 1);
    const moves = long.some((index, at) => at > 0 && index < long[at - 1]!);
    return { sides, perm, moves, result: this.sides(shape, to) };
  }

  /** The same on the host. */
  convert(data: TensorData, shape: readonly number[], from: Form, to: Form): TensorData {
    const { sides, perm, moves } = this.passage(shape, from, to);
    return moves ? transpose(data, sides, perm) : data.slice();
  }
}

interface Entry {
  native: Form;
  names: Map<string, string>;
}

export class Forms {
  private readonly entries = new Map<Value, Entry>();
  private readonly constants = new Map<Value, TensorData>();

  constructor(
    private readonly builder: Builder,
    readonly measure: Measure,
  ) {}

  define(value: Value, name: string, form: Form = identity(value.shape.length)): void {
    this.entries.set(value, { native: form, names: new Map([[String(form), name]]) });
  }

  defineConstant(value: Value, data: TensorData): void {
    this.constants.set(value, data);
    this.entries.set(value, { native: identity(value.shape.length), names: new Map() });
  }

  isConstant(value: Value): boolean {
    return this.constants.has(value);
  }

  /** The form in which the value was made. */
  native(value: Value): Form {
    return this.entry(value).native;
  }

  /** That form with its axes whole. */
  unblocked(value: Value): Form {
    return this.native(value)
      .filter((part) => isWhole(part) || part < INNER)
      .map(axisOf);
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
    const { moves, result } = this.measure.passage(padded, identity(rank), form);
    if (!moves) return this.reshaped(value, result);
    return this.convert(
      this.reshaped(value, padded),
      { dtype: value.dtype, shape: padded },
      identity(rank),
      form,
    );
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
    const { dtype, shape } = value;
    const data = this.constants.get(value);
    if (data) {
      const dims = this.measure.sides(shape, form);
      return this.builder.constant({
        dtype,
        dims,
        data: this.measure.convert(data, shape, identity(shape.length), form),
      });
    }
    return this.convert(names.get(String(native))!, value, native, form);
  }

  private convert(name: string, { dtype, shape }: Omit<Value, 'id'>, from: Form, to: Form): string {
    const { sides, perm, moves, result } = this.measure.passage(shape, from, to);
    const { builder } = this;
    if (!moves) return builder.emit('Reshape', [name, builder.ints(result)]);
    const split = sides.length === from.length ? name : builder.emit('Reshape', [name, builder.ints(sides)]);
    const moved = move(builder, split, { sides, perm }, { block: this.measure.block, dtype });
    return result.length === perm.length ? moved : builder.emit('Reshape', [moved, builder.ints(result)]);
  }
}

/**
 * The form in which an elementwise op works: that of its largest operand of full rank that is not in TF.js's order,
 * since the others are then cheaper to move; of equally large ones that which lies in blocks.
 */
export function commonForm(forms: Forms, inputs: readonly Value[], rank: number): Form {
  const candidates = inputs
    .filter((input) => input.shape.length === rank && !isIdentity(forms.native(input)))
    .sort(
      (a, b) =>
        sizeOf(b.shape) - sizeOf(a.shape) ||
        Number(isBlocked(forms.native(b))) - Number(isBlocked(forms.native(a))),
    );
  return candidates[0] ? forms.native(candidates[0]) : identity(rank);
}
