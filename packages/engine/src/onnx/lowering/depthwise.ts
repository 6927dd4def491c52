/**
 * Depthwise convolutions and their gradients on ONNX Runtime's direct kernels: a filter a channel, of maps that stand in blocks. The
 * gradient of the filters is one more of them, with the gradient of the result, as large as its map, as the filter of every image's
 * every channel. Against plain ops, which take a pass over the map for every tap: `npm run bench -- train-step-mobilenet`.
 */
import type { GraphNode } from '../../graph/graph.js';
import { type ConvolutionOp, isDilated, type Role } from '../../graph/heavy-op.js';
import { type Form, inner, NCHWC, outer } from '../forms.js';
import { int, ints } from '../model.js';
import {
  backpropInput,
  backpropInputFits,
  cutToFilter,
  DIRECT,
  declare,
  declaredMap,
  defineBlocked,
  direct,
  tapsMade,
  withPaddedColumns,
} from './blocked.js';
import { type Context, define, input } from './context.js';

/** Filter [height 0, width 1, channels 2, multiplier 3]: taps of a block of channels side by side. */
const FILTER: Form = [outer(2), 3, 0, 1, inner(2)];

/** Whether the direct kernels do this op: the channels fill whole blocks, and every one of them makes one. */
export function directDepthwiseFits({ role, info, filter }: ConvolutionOp, block: number): boolean {
  if (filter[2]! % block !== 0 || filter[3] !== 1) return false;
  const byRole: Record<Role, () => boolean> = {
    y: () => true,
    dx: () => backpropInputFits(info),
    dw: () => !isDilated(info),
  };
  return byRole[role]();
}

export function blockedDepthwise(node: GraphNode, context: Context, { info, filter }: ConvolutionOp): void {
  const [height, width, channels] = filter as [number, number, number, number];
  const kernel = declare(context, context.forms.use(input(node, 1), FILTER), [channels, 1, height, width]);
  const sizes = { info, filters: channels, group: channels };
  defineBlocked(node, context, direct(context, declaredMap(context, input(node, 0)), kernel, sizes));
}

export function blockedDepthwiseBackpropInput(
  node: GraphNode,
  context: Context,
  { info, filter }: ConvolutionOp,
): void {
  const channels = filter[2]!;
  backpropInput(node, context, {
    gradient: declaredMap(context, input(node, 0)),
    filter: context.forms.use(input(node, 1), FILTER),
    ...{ channels: [channels, 1], group: channels, info },
  });
}

/**
 * dW[c, tap] = Σ_n Σ_positions x[n, c, · + tap] · dy[n, c, ·]: the channels of all images are the channels of one, and what comes out
 * is summed over the images. Columns are padded on the tensor, since the kernel is slow where its filter reaches over the edge.
 */
export function blockedDepthwiseBackpropFilter(node: GraphNode, context: Context, op: ConvolutionOp): void {
  const { builder, forms, block } = context;
  const { info } = op;
  const [x, dy] = [input(node, 0), input(node, 1)];
  const [images, rows, columns, channels] = op.x as [number, number, number, number];
  const { padInfo: p, outHeight, outWidth, strideHeight, strideWidth, filterHeight, filterWidth } = info;
  const widened = withPaddedColumns(context, x, NCHWC, info);
  const wide = columns + p.left + p.right;
  const maps = images * channels;
  const products = builder.emit(
    'Conv',
    [
      declare(context, widened, [1, maps, rows, wide]),
      declare(context, forms.use(dy, NCHWC), [maps, 1, outHeight, outWidth]),
    ],
    {
      group: int(maps),
      kernel_shape: ints([outHeight, outWidth]),
      dilations: ints([strideHeight, strideWidth]),
      pads: ints([p.top, 0, p.bottom, 0]),
    },
    DIRECT,
  );
  const blocks = channels / block!;
  const apart = declare(context, products, [images, blocks, ...tapsMade(info), block!]);
  const summed = builder.emit('ReduceSum', [apart, builder.ints([0])], { keepdims: int(0) });
  const cut = cutToFilter(context, summed, info, 1);
  define(context, node, declare(context, cut, [blocks, 1, filterHeight, filterWidth, block!]), FILTER);
}
