/**
 * Depthwise convolutions and their gradients on ONNX Runtime's direct kernels: a filter a channel, of maps that stand in blocks. The
 * gradient of the filters is one more of them, with the gradient of the result, as large as its map, as the filter of every image's
 * every channel. Against plain ops, which take a pass over the map for every tap: `npm run bench -- train-step-mobilenet`.
 */
import type { GraphNode, Value } from '../../graph/graph.js';
import { type Form, inner, NCHWC, outer } from '../forms.js';
import { int, ints } from '../model.js';
import { backpropStride2, backwards, DIRECT, declare, defineBlocked } from './blocked.js';
import { type Context, define } from './context.js';
import type { ConvInfo } from './convolution.js';

/** Filter [height 0, width 1, channels 2, multiplier 3]: taps of a block of channels side by side. */
const FILTER: Form = [outer(2), 3, 0, 1, inner(2)];

/** True where the channels fill whole blocks, and every one of them makes one. */
export function fitsDepthwise({ block }: Context, filter: readonly number[]): boolean {
  return block !== null && filter[2]! % block === 0 && filter[3] === 1;
}

/** [N, H, W, C] in blocks as the kernels declare it, [N, C, H, W]. */
function declared(context: Context, map: Value): string {
  const [images, height, width, channels] = map.shape as [number, number, number, number];
  return declare(context, context.forms.use(map, NCHWC), [images, channels, height, width]);
}

export function blockedDepthwise(
  node: GraphNode,
  context: Context,
  x: Value,
  filter: Value,
  info: ConvInfo,
): void {
  const { builder, forms } = context;
  const [height, width, channels] = filter.shape as [number, number, number, number];
  const { padInfo: p } = info;
  const y = builder.emit(
    'Conv',
    [declared(context, x), declare(context, forms.use(filter, FILTER), [channels, 1, height, width])],
    {
      group: int(channels),
      kernel_shape: ints([height, width]),
      strides: ints([info.strideHeight, info.strideWidth]),
      dilations: ints([info.dilationHeight, info.dilationWidth]),
      pads: ints([p.top, p.left, p.bottom, p.right]),
    },
    { ...DIRECT, dims: [x.shape[0]!, channels, info.outHeight, info.outWidth] },
  );
  defineBlocked(node, context, y);
}

/** @returns false where no direct kernel does it: dilated filters, and strides other than 1 and 2 */
export function blockedDepthwiseBackpropInput(
  node: GraphNode,
  context: Context,
  dy: Value,
  filter: Value,
  info: ConvInfo,
): boolean {
  const { builder, forms } = context;
  const [height, width, channels] = filter.shape as [number, number, number, number];
  const { padInfo: p, strideHeight, strideWidth } = info;
  if (info.dilationHeight * info.dilationWidth > 1) return false;
  const taps = forms.use(filter, FILTER);
  if (strideHeight === 2 && strideWidth === 2)
    return backpropStride2(node, context, {
      ...{ gradient: declared(context, dy), filter: taps, channels: [channels, 1], group: channels },
      ...{ kernel: [height, width], info },
    });
  const isInside = Math.max(p.top, p.bottom) < height && Math.max(p.left, p.right) < width;
  if (strideHeight * strideWidth > 1 || !isInside) return false;
  const turned = height * width === 1 ? taps : backwards(builder, taps, [-1, -1], 1);
  const dx = builder.emit(
    'Conv',
    [declared(context, dy), declare(context, turned, [channels, 1, height, width])],
    {
      group: int(channels),
      kernel_shape: ints([height, width]),
      pads: ints([height - 1 - p.top, width - 1 - p.left, height - 1 - p.bottom, width - 1 - p.right]),
    },
    { ...DIRECT, dims: [dy.shape[0]!, channels, info.inHeight, info.inWidth] },
  );
  defineBlocked(node, context, dx);
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
  const image = forms.use(x, NCHWC);
  const pads = (side: number) => [0, 0, 0, side, 0];
  const widened =
    p.left + p.right === 0
      ? image
      : builder.emit('Pad', [image, builder.ints([...pads(p.left), ...pads(p.right)])]);
  const wide = columns + p.left + p.right;
  const made = [
    rows + p.top + p.bottom - (outHeight - 1) * strideHeight,
    wide - (outWidth - 1) * strideWidth,
  ] as const;
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
  const apart = declare(context, products, [images, blocks, ...made, block!]);
  const summed = builder.emit('ReduceSum', [apart, builder.ints([0])], { keepdims: int(0) });
  // Rows that no window reaches make taps that the filter does not have.
  const isExact = made[0] === filterHeight && made[1] === filterWidth;
  const cut = isExact
    ? summed
    : builder.emit('Slice', [
        summed,
        builder.ints([0, 0]),
        builder.ints([filterHeight, filterWidth]),
        builder.ints([1, 2]),
      ]);
  define(context, node, declare(context, cut, [blocks, 1, filterHeight, filterWidth, block!]), FILTER);
}
