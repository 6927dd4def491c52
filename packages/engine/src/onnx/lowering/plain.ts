/**
 * Convolutions and their gradients as ONNX's own ops, on maps in NCHW. ONNX has no gradient of a filter: it is a product of matrices an
 * image, or for a depthwise one a sum a tap.
 */

import type { GraphNode, Value } from '../../graph/graph.js';
import type { ConvInfo, ConvolutionOp } from '../../graph/heavy-op.js';
import { type Form, NCHW, OIHW } from '../forms.js';
import { int, ints } from '../model.js';
import { backwards } from './blocked.js';
import { type Context, define, input, output } from './context.js';
import { product } from './product.js';
import { isTurnable } from './turnable.js';

/** A depthwise filter [height, width, channels, multiplier] as ONNX wants it, [channels · multiplier, 1, height, width]. */
const CMHW: Form = [2, 3, 0, 1];

function attributes(
  { strideHeight, strideWidth, dilationHeight, dilationWidth, filterHeight, filterWidth, padInfo }: ConvInfo,
  group = 1,
) {
  return {
    kernel_shape: ints([filterHeight, filterWidth]),
    strides: ints([strideHeight, strideWidth]),
    dilations: ints([dilationHeight, dilationWidth]),
    pads: ints([padInfo.top, padInfo.left, padInfo.bottom, padInfo.right]),
    group: int(group),
  };
}

/** A depthwise filter in ONNX's shape. */
export function depthwiseFilter({ builder, forms }: Context, filter: Value): string {
  const [height, width, channels, multiplier] = filter.shape as [number, number, number, number];
  return builder.emit('Reshape', [
    forms.use(filter, CMHW),
    builder.ints([channels * multiplier, 1, height, width]),
  ]);
}

/** Both kinds: a depthwise one is a convolution in as many groups as channels. */
export function plainConv(
  node: GraphNode,
  context: Context,
  { info, kind, x, filter: [, , channels] }: ConvolutionOp,
): void {
  const { builder, forms } = context;
  const filter = input(node, 1);
  const isDepthwise = kind === 'depthwise';
  const group = isDepthwise ? x[3]! : x[3]! / channels!;
  const taps = isDepthwise ? depthwiseFilter(context, filter) : forms.use(filter, OIHW);
  const y = builder.emit('Conv', [forms.use(input(node, 0), NCHW), taps], attributes(info, group));
  define(context, node, y, NCHW);
}

/** What a transposed convolution leaves out at the far side, so that the input's size comes out. */
function outputPadding(found: ConvInfo): [number, number] {
  const rest = (
    inSize: number,
    outSize: number,
    stride: number,
    kernel: number,
    dilation: number,
    pads: number,
  ) => inSize - ((outSize - 1) * stride + (kernel - 1) * dilation + 1 - pads);
  const { padInfo: p } = found;
  return [
    rest(
      found.inHeight,
      found.outHeight,
      found.strideHeight,
      found.filterHeight,
      found.dilationHeight,
      p.top + p.bottom,
    ),
    rest(
      found.inWidth,
      found.outWidth,
      found.strideWidth,
      found.filterWidth,
      found.dilationWidth,
      p.left + p.right,
    ),
  ];
}

function transposedConv(
  { builder }: Context,
  dy: string,
  filter: string,
  found: ConvInfo,
  group: number,
): string {
  const extra = outputPadding(found);
  // A padding at the far side that no window reaches adds zeros there, which output_padding does while it is below the stride.
  return builder.emit('ConvTranspose', [dy, filter], {
    ...attributes(found, group),
    output_padding: ints(extra),
  });
}

/** Stride 1: a convolution with the filter turned round and its channels swapped, faster here than a transposed one. */
function turnedConv({ builder, forms }: Context, dy: string, filter: Value, found: ConvInfo): string {
  const IOHW: Form = [2, 3, 0, 1];
  const swapped = forms.use(filter, IOHW);
  const turned =
    found.filterHeight * found.filterWidth === 1 ? swapped : backwards(builder, swapped, [-1, -1], 1);
  const { padInfo: p, filterHeight: kh, filterWidth: kw } = found;
  const pads = [kh - 1 - p.top, kw - 1 - p.left, kh - 1 - p.bottom, kw - 1 - p.right];
  return builder.emit('Conv', [dy, turned], { kernel_shape: ints([kh, kw]), pads: ints(pads) });
}

export function plainBackpropInput(
  node: GraphNode,
  context: Context,
  { kind, info, x }: ConvolutionOp,
): void {
  const { forms } = context;
  const [dy, filter] = [forms.use(input(node, 0), NCHW), input(node, 1)];
  if (kind === 'depthwise')
    define(context, node, transposedConv(context, dy, depthwiseFilter(context, filter), info, x[3]!), NCHW);
  else if (isTurnable(info)) define(context, node, turnedConv(context, dy, filter, info), NCHW);
  else define(context, node, transposedConv(context, dy, forms.use(filter, OIHW), info, 1), NCHW);
}

/** The input padded as the convolution pads it, [N, C, H + pads, W + pads]. */
export function padded({ builder, forms }: Context, x: Value, { padInfo: p }: ConvInfo): string {
  const name = forms.use(x, NCHW);
  if (p.top + p.bottom + p.left + p.right === 0) return name;
  return builder.emit('Pad', [name, builder.ints([0, 0, p.top, p.left, 0, 0, p.bottom, p.right])]);
}

/** For every tap of the filter, the part of the padded input that it meets: [N, C, H_out, W_out]. */
export function taps({ builder }: Context, x: string, found: ConvInfo): string[] {
  const {
    filterHeight,
    filterWidth,
    strideHeight,
    strideWidth,
    dilationHeight,
    dilationWidth,
    outHeight,
    outWidth,
    padInfo: p,
  } = found;
  const whole =
    filterHeight * filterWidth === 1 &&
    strideHeight * strideWidth === 1 &&
    p.top + p.bottom + p.left + p.right === 0;
  if (whole) return [x];
  const names: string[] = [];
  for (let row = 0; row < filterHeight; row++)
    for (let column = 0; column < filterWidth; column++) {
      const start = [row * dilationHeight, column * dilationWidth];
      const end = [
        start[0]! + (outHeight - 1) * strideHeight + 1,
        start[1]! + (outWidth - 1) * strideWidth + 1,
      ];
      names.push(
        builder.emit('Slice', [
          x,
          builder.ints(start),
          builder.ints(end),
          builder.ints([2, 3]),
          builder.ints([strideHeight, strideWidth]),
        ]),
      );
    }
  return names;
}

/**
 * dW[o, i, tap] = Σ_n Σ_positions dy[n, o, ·] · x_tap[n, i, ·]: a product an image, summed over the images.
 * The taps are joined along the channels, so that few channels still make a product worth its call.
 */
export function plainBackpropFilter(node: GraphNode, context: Context, { info: found }: ConvolutionOp): void {
  const { builder, forms } = context;
  const [x, dy] = [input(node, 0), input(node, 1)];
  const [height, width, channels, filters] = output(node).shape as [number, number, number, number];
  const images = x.shape[0]!;
  const positions = found.outHeight * found.outWidth;
  const parts = taps(context, padded(context, x, found), found);
  const joined = parts.length === 1 ? parts[0]! : builder.emit('Concat', parts, { axis: int(1) });
  const rows = builder.emit('Reshape', [joined, builder.ints([images, parts.length * channels, positions])]);
  const gradient = builder.emit('Reshape', [forms.use(dy, NCHW), builder.ints([images, filters, positions])]);
  const products = product(context, gradient, rows, { transposeB: true, ranks: [3, 3] });
  const summed = builder.emit('ReduceSum', [products, builder.ints([0])], { keepdims: int(0) });
  // [O, tap · I] → [O, tap, I]: TF.js's axes (height, width, in, out) in the order out, height, width, in.
  const split = builder.emit('Reshape', [summed, builder.ints([filters, height, width, channels])]);
  const oihw =
    height * width === 1
      ? builder.emit('Reshape', [summed, builder.ints([filters, channels, 1, 1])])
      : builder.emit('Transpose', [split], { perm: ints([0, 3, 1, 2]) });
  define(context, node, oihw, OIHW);
}
