/** Values whose elements are all the same number: gradients are full of ones and zeros of some shape. */
import type { Graph, GraphNode, Value } from './graph.js';

const LARGEST_SCAN = 1 << 22;

const KEEPS = new Set(['Identity', 'Reshape', 'ExpandDims', 'Tile', 'Transpose', 'Slice', 'Broadcast']);

const ARITHMETIC: Record<string, (a: number, b: number) => number> = {
  Add: (a, b) => a + b,
  Sub: (a, b) => a - b,
  Multiply: (a, b) => a * b,
  RealDiv: (a, b) => a / b,
};

export class UniformValues {
  private readonly known = new Map<Value, number>();

  constructor(graph: Graph) {
    for (const [value, data] of graph.constants) {
      if (data.length === 0 || data.length > LARGEST_SCAN) continue;
      const first = data[0]!;
      if (data.every((item) => item === first)) this.known.set(value, first);
    }
  }

  of(value: Value): number | undefined {
    return this.known.get(value);
  }

  set(value: Value, number: number): void {
    this.known.set(value, number);
  }

  /** The number that every element of the node's result has, where it follows from the inputs. */
  infer(node: GraphNode, inputs: readonly Value[]): number | undefined {
    if (node.op === 'Fill') return Number(node.attributes.value);
    if (node.op === 'ZerosLike') return 0;
    if (node.op === 'OnesLike') return 1;
    const numbers = inputs.map((input) => this.of(input));
    if (numbers.length === 0 || numbers.some((number) => number === undefined)) return undefined;
    if (KEEPS.has(node.op)) return numbers[0];
    if (node.op === 'Cast') return castNumber(numbers[0]!, node.outputs[0]!.dtype);
    const apply = ARITHMETIC[node.op];
    if (!apply || node.outputs[0]!.dtype !== 'float32') return undefined;
    return Math.fround(apply(numbers[0]!, numbers[1]!));
  }
}

function castNumber(number: number, dtype: Value['dtype']): number {
  if (dtype === 'bool') return number === 0 ? 0 : 1;
  return dtype === 'int32' ? Math.trunc(number) : number;
}
