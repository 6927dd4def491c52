/** Collects nodes and initializers while a graph is lowered; equal constants are one initializer. */
import { allocate, type DType } from '../tensors.js';
import type { OnnxAttribute, OnnxNode, OnnxTensor } from './model.js';

interface EmitOptions {
  domain?: OnnxNode['domain'];
  outputs?: number;
  /** Sides of the result, for `tidy.ts`. */
  dims?: readonly number[];
}

/** Constants up to this many elements are compared by content. */
const SHARED_SIZE = 64;

export class Builder {
  readonly nodes: OnnxNode[] = [];
  readonly initializers = new Map<string, OnnxTensor>();
  /** The user's line behind what is emitted now. */
  line = 'an unknown line';
  /** Whether what is emitted now is to be computed though an equal node exists. */
  again = false;
  private readonly shared = new Map<string, string>();
  private count = 0;

  /** Whether elements are moved by plain Transposes alone (`movement.ts`). */
  readonly transposesOnly: boolean;

  /** @param taken names of inputs and outputs, which users choose */
  constructor(
    private readonly taken: ReadonlySet<string> = new Set(),
    { transposesOnly = false }: { transposesOnly?: boolean } = {},
  ) {
    this.transposesOnly = transposesOnly;
  }

  name(prefix = 't'): string {
    const name = `${prefix}${this.count++}`;
    return this.taken.has(name) ? this.name(prefix) : name;
  }

  emit(
    op: string,
    inputs: string[],
    attributes: Record<string, OnnxAttribute> = {},
    options: EmitOptions = {},
  ): string {
    return this.emitMany(op, inputs, attributes, { ...options, outputs: 1 })[0]!;
  }

  emitMany(
    op: string,
    inputs: string[],
    attributes: Record<string, OnnxAttribute> = {},
    { domain = '', outputs = 1, dims }: EmitOptions = {},
  ): string[] {
    const names = Array.from({ length: outputs }, () => this.name());
    const known = { ...(dims ? { dims } : {}), ...(this.again ? { again: true } : {}) };
    this.nodes.push({ op, domain, inputs, outputs: names, attributes, line: this.line, ...known });
    return names;
  }

  constant(tensor: OnnxTensor): string {
    const key =
      tensor.data.length <= SHARED_SIZE
        ? `${tensor.dtype} [${tensor.dims}] ${Array.from(tensor.data, String)}`
        : undefined;
    const known = key === undefined ? undefined : this.shared.get(key);
    if (known) return known;
    const name = this.name('c');
    this.initializers.set(name, tensor);
    if (key !== undefined) this.shared.set(key, name);
    return name;
  }

  /** An int64 vector: shapes, axes, pads. */
  ints(values: readonly number[]): string {
    return this.constant({ dtype: 'int64', dims: [values.length], data: BigInt64Array.from(values, BigInt) });
  }

  scalar(value: number, dtype: DType = 'float32'): string {
    const data = allocate(dtype, 1);
    data[0] = value;
    return this.constant({ dtype, dims: [], data });
  }
}
