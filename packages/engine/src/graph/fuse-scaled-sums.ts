/**
 * Joins x · s + y, with s a single number that is known only at run time, into one op: the moving averages and the parameter
 * step of an optimizer are made of it, and each pass over all parameters costs as much as reading and writing them. Only where
 * blocked kernels are there, which do it in one pass (`onnx/lowering/scaled-sum.ts`); elsewhere a product and a sum are as good.
 * Measured gain: case `fuse-scaled-sums` of `npm run bench -- passes`.
 */
import { isSameShape, sizeOf } from '../tensors.js';
import type { Graph, GraphNode, Value } from './graph.js';

/** Smaller tensors are not worth the reshapes. */
const SMALLEST = 4096;

const isNumber = (value: Value) => sizeOf(value.shape) === 1;

export function fuseScaledSums(graph: Graph, block: number): Graph {
  const uses = new Map<Value, number>();
  for (const value of [...graph.nodes.flatMap(({ inputs }) => inputs), ...graph.outputs.values()])
    uses.set(value, (uses.get(value) ?? 0) + 1);
  const products = new Map<Value, GraphNode>();
  const kept = new Set<GraphNode>();
  for (const node of graph.nodes) {
    const [a, b] = node.inputs;
    const output = node.outputs[0]!;
    if (node.op === 'Multiply' && fits(output, block) && uses.get(output) === 1 && factors(node))
      products.set(output, node);
    const product = node.op === 'Add' ? (products.get(a!) ?? products.get(b!)) : undefined;
    const summand = product && (products.get(a!) === product ? b! : a!);
    if (!product || !summand || !isPlainSum(product.outputs[0]!, summand, output)) {
      kept.add(node);
      continue;
    }
    kept.delete(product);
    const [x, scale] = factors(product)!;
    kept.add({
      op: 'ScaledSum',
      inputs: [x, scale, summand],
      attributes: {},
      outputs: node.outputs,
      line: node.line,
    });
  }
  return { ...graph, nodes: [...kept] };
}

/** Nothing is broadcast but a number. */
function isPlainSum(product: Value, summand: Value, sum: Value): boolean {
  if (!isSameShape(product.shape, sum.shape)) return false;
  return isNumber(summand) || isSameShape(summand.shape, sum.shape);
}

function fits({ shape, dtype }: Value, block: number): boolean {
  return dtype === 'float32' && sizeOf(shape) >= SMALLEST && sizeOf(shape) % block === 0;
}

/** The tensor and the number whose product the node makes. */
function factors({ inputs, outputs }: GraphNode): [Value, Value] | null {
  const [a, b] = inputs as [Value, Value];
  const { shape } = outputs[0]!;
  if (isNumber(b) && isSameShape(a.shape, shape)) return [a, b];
  return isNumber(a) && isSameShape(b.shape, shape) ? [b, a] : null;
}
