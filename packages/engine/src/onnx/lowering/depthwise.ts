/**
 * Depthwise convolutions and their gradients on ONNX Runtime's direct kernels: a filter a channel, of maps that stand in blocks. The
 * gradient of the filters is one more of them, with the gradient of the result, as large as its map, as the filter of every image's
 * every channel. Against plain ops, which take a pass over the map for every tap: `npm run bench -- train-step-mobilenet`.
 */
import type { GraphNode, Value } from '../../graph/graph.js';
import { type Form, inner, NCHWC, outer } from '../forms.js';
import { int, ints } from '../model.js';
import {
  backpropStride1,
  backpropStride2,
  cutToFilter,
  DIRECT,
  declare,
  declaredMap,
  defineBlocked,
  direct,
  tapsMade,
  withPaddedColumns,
} from './blocked.js';
import { type Context, define } from './context.js';
import type { ConvInfo } from './convolution.js';

/** Filter [height 0, width 1, channels 2, multiplier 3]: taps of a block of channels side by side. */
const FILTER: Form = [outer(2), 3, 0, 1, inner(2)];

/** True where the channels fill whole blocks, and every one of them makes one. */
export function fitsDepthwise({ block }: Context, filter: readonly number[]): boolean {
  return block !== null && filter[2]! % block === 0 && filter[3] === 1;
}

export function blockedDepthwise(
  node: GraphNode,
  context: Context,
  x: Value,
  filter: Value,
  info: ConvInfo,
): void {
  const [height, width, channels] = filter.shape as [number, number, number, number];
  const kernel = declare(context, context.forms.use(filter, FILTER), [channels, 1, height, width]);
  const sizes = { info, filters: channels, group: channels };
  defineBlocked(node, context, direct(context, declaredMap(context, x), kernel, sizes));
}

/** @returns false where no direct kernel does it: dilated filters, and strides other than 1 and 2 */
export function blockedDepthwiseBackpropInput(
  node: GraphNode,
  context: Context,
  dy: Value,
  filter: Value,
  info: ConvInfo,
): boolean {
  const [height, width, channels] = filter.shape as [number, number, number, number];
  const { padInfo: p, strideHeight, strideWidth } = info;
  if (info.dilationHeight * info.dilationWidth > 1) return false;
  const back = {
    gradient: declaredMap(context, dy),
    filter: context.forms.use(filter, FILTER),
    ...{ channels: [channels, 1] as const, group: channels, info },
  };
  if (strideHeight === 2 && strideWidth === 2) return backpropStride2(node, context, back);
  const isInside = Math.max(p.top, p.bottom) < height && Math.max(p.left, p.right) < width;
  if (strideHeight * strideWidth > 1 || !isInside) return false;
  backpropStride1(node, context, back);
  return true;
}

/**
 * dW[c, tap] = Σ_n Σ_positions x[n, c, · + tap] · dy[n, c, ·]: the channels of all images are the channels of one, and what comes out
 * is summed over the images. Columns are padded on the tensor, since the kernel is slow where its filter reaches over the edge.
 */
export function blockedDepthwiseBackpropFilter(
  node: GraphNode,
  context: Context,
  x: Value,
  dy: Value,
  info: ConvInfo,
): void {
  const { builder, forms, block } = context;
  const [images, rows, columns, channels] = x.shape as [number, number, number, number];
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
