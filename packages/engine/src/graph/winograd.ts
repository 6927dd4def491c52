/**
 * Writes 3 × 3 convolutions and their gradients as Winograd's: both sides are transformed tile by tile and meet in one product
 * of matrices a place, which takes 2.25 (m = 2) or 4 (m = 4) times fewer multiplications. The backward pass is the exact
 * adjoint of the forward one, so the transforms of x, dy and the filter, which two ops each ask for, are computed once
 * (`common-subexpressions.ts`), but for large ones of the forward pass.
 * Measured gain: cases `winograd` and `transforms-again` of `npm run bench -- passes`, and per shape by the plan.
 *
 *   y  = A · (V U)       V = B x        U = G g
 *   dx = Bᵀ · (dM Uᵀ)    dM = Aᵀ dy
 *   dg = Gᵀ · (Vᵀ dM)
 */
import { sizeOf } from '../tensors.js';
import type { Attributes, Graph, GraphNode, Value } from './graph.js';
import { type ConvolutionOp, heavyOpOf, isDilated, padsOf, strideOf } from './heavy-op.js';
import { placesOf, type TileSize, tilesOf } from './winograd-matrices.js';

/** A convolution as the plan knows it: of 3 × 3 taps and stride 1, padded by 1. */
export interface ConvolutionShape {
  images: number;
  height: number;
  width: number;
  channels: number;
  filters: number;
}

/** Of the two ops on a whole map: which transform, and the map that it goes from or leads to. */
export interface TileAttributes {
  matrix: 'input' | 'output';
  m: TileSize;
  images: number;
  height: number;
  width: number;
}

/** The shape of the convolution; null where Winograd does not apply. */
export function winogradShapeOf({ kind, info, x, filter }: ConvolutionOp): ConvolutionShape | null {
  const isPlain =
    kind === 'convolution' &&
    info.filterHeight === 3 &&
    info.filterWidth === 3 &&
    strideOf(info) === 1 &&
    !isDilated(info) &&
    padsOf(info).every((pad) => pad === 1);
  if (!isPlain) return null;
  const [images, height, width, channels] = x as [number, number, number, number];
  return { images, height, width, channels, filters: filter[3]! };
}

/** Of a node that is such a convolution or one of its gradients. */
export function winogradShape(node: GraphNode): ConvolutionShape | null {
  const op = heavyOpOf(node);
  return op && op.kind !== 'product' ? winogradShapeOf(op) : null;
}

export interface WinogradOptions {
  /** From how many bytes on a transform of the forward pass is made again by the backward pass. */
  againFrom?: number;
}

/** @param choose the tile size for a shape; null leaves the convolution as it is */
export function applyWinograd(
  graph: Graph,
  choose: (shape: ConvolutionShape, node: GraphNode) => TileSize | null,
  { againFrom = LARGE_BYTES }: WinogradOptions = {},
): Graph {
  const values = [...graph.nodes.flatMap(({ outputs }) => outputs), ...graph.constants.keys()];
  let id = values.reduce((least, value) => Math.min(least, value.id), 0) - 1;
  const nodes: GraphNode[] = [];
  for (const node of graph.nodes) {
    const shape = winogradShape(node);
    const m = shape && choose(shape, node);
    if (!shape || !m) {
      nodes.push(node);
      continue;
    }
    const emit = (
      op: string,
      inputs: Value[],
      attributes: Attributes,
      to: readonly number[] | Value,
    ): Value => {
      const output: Value = 'id' in to ? to : { id: id--, shape: [...to], dtype: 'float32' };
      nodes.push({ op, inputs, attributes, outputs: [output], line: node.line });
      return output;
    };
    writeWinograd(node, shape, m, emit, againFrom);
  }
  return { ...graph, nodes };
}

/**
 * What the forward pass makes of x and the filter is wanted again at the other end of the backward pass. To keep it takes up to four
 * times the memory of what it is made from, all layers at once; transforms of at least this size are made again, which costs time
 * (case `transforms-again`: peak memory, and the step).
 */
const LARGE_BYTES = 2 ** 24;

type Emit = (op: string, inputs: Value[], attributes: Attributes, to: readonly number[] | Value) => Value;

function writeWinograd(
  node: GraphNode,
  shape: ConvolutionShape,
  m: TileSize,
  emit: Emit,
  againFrom: number,
): void {
  const { images, height, width, channels, filters } = shape;
  const places = placesOf(m) ** 2;
  const tiles = images * tilesOf(m, height) * tilesOf(m, width);
  const of = (matrix: TileAttributes['matrix']): Attributes => ({ matrix, m, images, height, width });
  const again = (shape: number[]) =>
    node.op !== 'Conv2D' && 4 * sizeOf(shape) >= againFrom ? { again: true } : {};
  const toTiles = (map: Value, matrix: TileAttributes['matrix']) => {
    const shape = [places, tiles, map.shape[3]!];
    return emit(
      'WinogradTiles',
      [map],
      { ...of(matrix), ...(matrix === 'input' ? again(shape) : {}) },
      shape,
    );
  };
  const toFilter = (filter: Value) => {
    const shape = [places, channels, filters];
    return emit('WinogradFilter', [filter], { m, ...again(shape) }, shape);
  };
  const multiply = (a: Value, b: Value, transposeA: boolean, transposeB: boolean, to: number[]) =>
    emit('BatchMatMul', [a, b], { transposeA, transposeB, kernel: 'fused' }, to);
  const [a, b] = node.inputs as [Value, Value];
  const result = node.outputs[0]!;
  switch (node.op) {
    case 'Conv2D': {
      const products = multiply(toTiles(a, 'input'), toFilter(b), false, false, [places, tiles, filters]);
      emit('WinogradMap', [products], of('output'), result);
      return;
    }
    case 'Conv2DBackpropInput': {
      const products = multiply(toTiles(a, 'output'), toFilter(b), false, true, [places, tiles, channels]);
      emit('WinogradMap', [products], of('input'), result);
      return;
    }
    case 'Conv2DBackpropFilter': {
      const products = multiply(toTiles(a, 'input'), toTiles(b, 'output'), true, false, [
        places,
        channels,
        filters,
      ]);
      emit('WinogradTaps', [products], { m }, result);
      return;
    }
    default:
      throw new Error(`${node.op} is no convolution of ${sizeOf(result.shape)} elements.`);
  }
}
