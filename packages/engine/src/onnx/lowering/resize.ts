/** Nearest-neighbour resizing and the gradients of resizing. A gradient is a product with the matrix by which one axis was resized, transposed. */
import type { GraphNode } from '../../graph/graph.js';
import { NCHW } from '../forms.js';
import { int } from '../model.js';
import { type Context, define, input, type Lowering, output } from './context.js';

type Kind = 'nearest' | 'bilinear';

interface Options {
  alignCorners: boolean;
  halfPixelCenters: boolean;
}

/** Where place `to` of the result lies on an axis of the source, as TF.js's kernels compute it. */
function sourcePlace(
  to: number,
  from: number,
  size: number,
  { alignCorners, halfPixelCenters }: Options,
): number {
  if (alignCorners && size > 1) return (to * (from - 1)) / (size - 1);
  return halfPixelCenters ? ((to + 0.5) * from) / size - 0.5 : (to * from) / size;
}

/** TF.js's nearest neighbour knows no half-pixel centres: it rounds aligned places and cuts off the others. */
function nearestPlaces(from: number, size: number, { alignCorners }: Options): number[] {
  return Array.from({ length: size }, (_, to) => {
    const place = sourcePlace(to, from, size, { alignCorners, halfPixelCenters: false });
    return Math.min(from - 1, alignCorners ? Math.round(place) : Math.floor(place));
  });
}

/** The matrix [size, from] that resizes one axis. */
function resizing(kind: Kind, from: number, size: number, options: Options): Float32Array {
  const matrix = new Float32Array(size * from);
  const add = (to: number, at: number, weight: number) => {
    const index = to * from + at;
    matrix[index] = matrix[index]! + weight;
  };
  if (kind === 'nearest') {
    for (const [to, at] of nearestPlaces(from, size, options).entries()) add(to, at, 1);
    return matrix;
  }
  for (let to = 0; to < size; to++) {
    const place = Math.min(from - 1, Math.max(0, sourcePlace(to, from, size, options)));
    const low = Math.floor(place);
    add(to, low, 1 - (place - low));
    add(to, Math.min(low + 1, from - 1), place - low);
  }
  return matrix;
}

const optionsOf = (node: GraphNode) => node.attributes as unknown as Options;

const nearest: Lowering = (node, context) => {
  const x = input(node, 0);
  const take = (name: string, axis: number) => {
    const places = nearestPlaces(x.shape[axis]!, output(node).shape[axis]!, optionsOf(node));
    const indices = { dtype: 'int32', dims: [places.length], data: Int32Array.from(places) } as const;
    return context.builder.emit('Gather', [name, context.builder.constant(indices)], { axis: int(axis) });
  };
  define(context, node, take(take(context.forms.use(x), 1), 2));
};

/** dx = R_hᵀ · dy · R_w for every image and channel, with the matrices that resized height and width. */
const gradient =
  (kind: Kind): Lowering =>
  (node, context: Context) => {
    const { builder, forms } = context;
    const dy = input(node, 1);
    const matrix = (axis: number, transposed: boolean) => {
      const [from, size] = [output(node).shape[axis]!, dy.shape[axis]!];
      const data = resizing(kind, from, size, optionsOf(node));
      if (!transposed) return builder.constant({ dtype: 'float32', dims: [size, from], data });
      const turned = Float32Array.from(data, (_, at) => data[(at % size) * from + Math.floor(at / size)]!);
      return builder.constant({ dtype: 'float32', dims: [from, size], data: turned });
    };
    const wide = builder.emit('MatMul', [forms.use(dy, NCHW), matrix(2, false)]);
    define(context, node, builder.emit('MatMul', [matrix(1, true), wide]), NCHW);
  };

export const RESIZES: Record<string, Lowering> = {
  ResizeBilinearGrad: gradient('bilinear'),
  ResizeNearestNeighbor: nearest,
  ResizeNearestNeighborGrad: gradient('nearest'),
};
