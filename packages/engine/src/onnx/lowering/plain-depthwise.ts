/** Gradients of depthwise convolutions on maps in NCHW, by ONNX's own ops. */
import type { GraphNode } from '../../graph/graph.js';
import type { ConvolutionOp } from '../../graph/heavy-op.js';
import { NCHW } from '../forms.js';
import { int, ints } from '../model.js';
import { backwards, cutToFilter, tapsMade } from './blocked.js';
import { type Context, define, input, output } from './context.js';
import { depthwiseFilter, padded, taps } from './plain.js';

/** A pass over the map for every tap. */
export function plainDepthwiseBackpropFilter(
  node: GraphNode,
  context: Context,
  { info: found }: ConvolutionOp,
): void {
  const { builder, forms } = context;
  const [x, dy] = [input(node, 0), input(node, 1)];
  const [height, width, channels, multiplier] = output(node).shape as [number, number, number, number];
  const images = x.shape[0]!;
  const { outHeight, outWidth } = found;
  const gradient = builder.emit('Reshape', [
    forms.use(dy, NCHW),
    builder.ints([images, channels, multiplier, outHeight, outWidth]),
  ]);
  const sums = taps(context, padded(context, x, found), found).map((tap) => {
    const raised = builder.emit('Reshape', [tap, builder.ints([images, channels, 1, outHeight, outWidth])]);
    const product = builder.emit('Mul', [gradient, raised]);
    const summed = builder.emit('ReduceSum', [product, builder.ints([0, 3, 4])], { keepdims: int(0) });
    return builder.emit('Reshape', [summed, builder.ints([1, channels, multiplier])]);
  });
  const joined = sums.length === 1 ? sums[0]! : builder.emit('Concat', sums, { axis: int(0) });
  define(
    context,
    node,
    builder.emit('Reshape', [joined, builder.ints([height, width, channels, multiplier])]),
  );
}

/** Stride 1: a convolution with the filter turned round, where the transposed one sums into its result. */
export function turnedBackpropInput(node: GraphNode, context: Context, { info, x }: ConvolutionOp): void {
  const { builder, forms } = context;
  const { padInfo: p, filterHeight: height, filterWidth: width } = info;
  const turned = backwards(builder, depthwiseFilter(context, input(node, 1)), [-1, -1], 1);
  const dx = builder.emit('Conv', [forms.use(input(node, 0), NCHW), turned], {
    group: int(x[3]!),
    kernel_shape: ints([height, width]),
    pads: ints([height - 1 - p.top, width - 1 - p.left, height - 1 - p.bottom, width - 1 - p.right]),
  });
  define(context, node, dx, NCHW);
}

/** The maps of all images are the channels of one, each with its own map of dy as the filter; what comes out is summed over them. */
export function mapsBackpropFilter(
  node: GraphNode,
  context: Context,
  { info, x, filter, y }: ConvolutionOp,
): void {
  const { builder, forms } = context;
  const { padInfo: p } = info;
  const [images, rows, columns, channels] = x as [number, number, number, number];
  const [, outHeight, outWidth] = y as [number, number, number];
  const maps = images * channels;
  const image = builder.emit('Reshape', [
    forms.use(input(node, 0), NCHW),
    builder.ints([1, maps, rows, columns]),
  ]);
  const sides = builder.ints([maps, 1, outHeight, outWidth]);
  const kernels = builder.emit('Reshape', [forms.use(input(node, 1), NCHW), sides]);
  const products = builder.emit('Conv', [image, kernels], {
    group: int(maps),
    kernel_shape: ints([outHeight, outWidth]),
    dilations: ints([info.strideHeight, info.strideWidth]),
    pads: ints([p.top, p.left, p.bottom, p.right]),
  });
  const apart = builder.emit('Reshape', [products, builder.ints([images, channels, ...tapsMade(info)])]);
  const summed = builder.emit('ReduceSum', [apart, builder.ints([0])], { keepdims: int(0) });
  const hwc = builder.emit('Transpose', [cutToFilter(context, summed, info, 1)], { perm: ints([1, 2, 0]) });
  define(context, node, builder.emit('Reshape', [hwc, builder.ints(filter)]));
}
