/** Convolutions and their gradients, in NCHW. */
import type { GraphNode, Value } from '../../graph/graph.js';
import { convInfo } from '../../recording/shapes.js';
import { sizeOf } from '../../tensors.js';
import { type Form, NCHW, OIHW } from '../forms.js';
import { int, ints } from '../model.js';
import {
  backwards,
  blockedBackpropFilter,
  blockedBackpropInput,
  blockedBackpropStride2,
  blockedConv,
  fitsBlocks,
} from './blocked.js';
import { type Context, define, input, type Lowering, output, unsupported } from './context.js';
import {
  blockedDepthwise,
  blockedDepthwiseBackpropFilter,
  blockedDepthwiseBackpropInput,
  fitsDepthwise,
} from './depthwise.js';
import { product } from './product.js';

export type ConvInfo = ReturnType<typeof convInfo>;
type Info = ConvInfo;

/** A depthwise filter [height, width, channels, multiplier] as ONNX wants it, [channels · multiplier, 1, height, width]. */
const CMHW: Form = [2, 3, 0, 1];

function info(node: GraphNode, x: readonly number[], filter: readonly number[], depthwise = false): Info {
  const found = convInfo(x, filter, node.attributes, depthwise);
  if (found.dataFormat !== 'channelsLast') throw unsupported(node, 'with NCHW data');
  return found;
}

function attributes(
  { strideHeight, strideWidth, dilationHeight, dilationWidth, filterHeight, filterWidth, padInfo }: Info,
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

const conv2d: Lowering = (node, context) => {
  const [x, filter] = [input(node, 0), input(node, 1)];
  const found = info(node, x.shape, filter.shape);
  const group = x.shape[3]! / filter.shape[2]!;
  if (group === 1 && fitsBlocks(context, filter.shape[2]!, filter.shape[3]!, true)) {
    blockedConv(node, context, x, filter, found);
    return;
  }
  if (group === 1 && isProduct(context, found)) {
    convolveRows(node, context, x, filter, false);
    return;
  }
  const names = [context.forms.use(x, NCHW), context.forms.use(filter, OIHW)];
  define(context, node, context.builder.emit('Conv', names, attributes(found, group)), NCHW);
};

/**
 * A 1×1 convolution whose channels fill no whole blocks, between maps that stand in blocks: the kernels lead from them to rows of
 * NHWC and back on all threads, to NCHW they do not.
 */
function isProduct({ block }: Context, found: Info): boolean {
  const { filterHeight, filterWidth, strideHeight, strideWidth, padInfo: p } = found;
  const sides = filterHeight * filterWidth * strideHeight * strideWidth;
  return block !== null && sides === 1 && p.top + p.bottom + p.left + p.right === 0;
}

/** rows [N·H·W, C] · filter [C, O], or its transpose for the way back */
function convolveRows(node: GraphNode, context: Context, x: Value, filter: Value, isBack: boolean): void {
  const { builder, forms } = context;
  const { shape } = output(node);
  const [channels, filters] = [filter.shape[2]!, filter.shape[3]!];
  const rows = sizeOf(shape) / shape[3]!;
  const map = builder.emit('Reshape', [forms.use(x), builder.ints([rows, isBack ? filters : channels])]);
  const taps = builder.emit('Reshape', [forms.use(filter), builder.ints([channels, filters])]);
  const dims = [rows, shape[3]!];
  const y = product(context, map, taps, { transposeB: isBack, ranks: [2, 2], dims });
  define(context, node, builder.emit('Reshape', [y, builder.ints(shape)]));
}

/** A depthwise filter in ONNX's shape. */
function depthwiseFilter({ builder, forms }: Context, filter: Value): string {
  const [height, width, channels, multiplier] = filter.shape as [number, number, number, number];
  return builder.emit('Reshape', [
    forms.use(filter, CMHW),
    builder.ints([channels * multiplier, 1, height, width]),
  ]);
}

const depthwise: Lowering = (node, context) => {
  const [x, filter] = [input(node, 0), input(node, 1)];
  const found = info(node, x.shape, filter.shape, true);
  if (fitsDepthwise(context, filter.shape)) {
    blockedDepthwise(node, context, x, filter, found);
    return;
  }
  const names = [context.forms.use(x, NCHW), depthwiseFilter(context, filter)];
  define(context, node, context.builder.emit('Conv', names, attributes(found, x.shape[3]!)), NCHW);
};

/** What a transposed convolution leaves out at the far side, so that the input's size comes out. */
function outputPadding(found: Info): [number, number] {
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
  found: Info,
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
function turnedConv({ builder, forms }: Context, dy: string, filter: Value, found: Info): string {
  const IOHW: Form = [2, 3, 0, 1];
  const swapped = forms.use(filter, IOHW);
  const turned =
    found.filterHeight * found.filterWidth === 1 ? swapped : backwards(builder, swapped, [-1, -1], 1);
  const { padInfo: p, filterHeight: kh, filterWidth: kw } = found;
  const pads = [kh - 1 - p.top, kw - 1 - p.left, kh - 1 - p.bottom, kw - 1 - p.right];
  return builder.emit('Conv', [dy, turned], { kernel_shape: ints([kh, kw]), pads: ints(pads) });
}

const backpropInput: Lowering = (node, context) => {
  const [dy, filter] = [input(node, 0), input(node, 1)];
  const found = info(node, output(node).shape, filter.shape);
  const { padInfo: p, filterHeight: kh, filterWidth: kw } = found;
  const plain =
    found.strideHeight === 1 &&
    found.strideWidth === 1 &&
    found.dilationHeight === 1 &&
    found.dilationWidth === 1 &&
    Math.max(p.top, p.bottom) < kh &&
    Math.max(p.left, p.right) < kw;
  const inBlocks = fitsBlocks(context, filter.shape[2]!, filter.shape[3]!);
  if (plain && inBlocks) {
    blockedBackpropInput(node, context, dy, filter, found);
    return;
  }
  if (isProduct(context, found)) {
    convolveRows(node, context, dy, filter, true);
    return;
  }
  const byTwo = found.strideHeight === 2 && found.strideWidth === 2;
  const dilated = found.dilationHeight * found.dilationWidth > 1;
  if (inBlocks && byTwo && !dilated && blockedBackpropStride2(node, context, dy, filter, found)) return;
  const gradient = context.forms.use(dy, NCHW);
  const result = plain
    ? turnedConv(context, gradient, filter, found)
    : transposedConv(context, gradient, context.forms.use(filter, OIHW), found, 1);
  define(context, node, result, NCHW);
};

const depthwiseBackpropInput: Lowering = (node, context) => {
  const [dy, filter] = [input(node, 0), input(node, 1)];
  const found = info(node, output(node).shape, filter.shape, true);
  const inBlocks = fitsDepthwise(context, filter.shape);
  if (inBlocks && blockedDepthwiseBackpropInput(node, context, dy, filter, found)) return;
  const gradient = context.forms.use(dy, NCHW);
  const result = transposedConv(
    context,
    gradient,
    depthwiseFilter(context, filter),
    found,
    output(node).shape[3]!,
  );
  define(context, node, result, NCHW);
};

/** The input padded as the convolution pads it, [N, C, H + pads, W + pads]. */
function padded({ builder, forms }: Context, x: Value, { padInfo: p }: Info): string {
  const name = forms.use(x, NCHW);
  if (p.top + p.bottom + p.left + p.right === 0) return name;
  return builder.emit('Pad', [name, builder.ints([0, 0, p.top, p.left, 0, 0, p.bottom, p.right])]);
}

/** For every tap of the filter, the part of the padded input that it meets: [N, C, H_out, W_out]. */
function taps({ builder }: Context, x: string, found: Info): string[] {
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
 * dW[i, o] = Σ_positions x[position, i] · dy[position, o] of a 1 × 1 convolution: one product over the rows of NHWC, at two to three
 * times the rate of the blocked convolution that larger filters take.
 */
function pointwiseBackpropFilter(node: GraphNode, context: Context, x: Value, dy: Value, found: Info): void {
  const { builder, forms } = context;
  const { strideHeight, strideWidth, outHeight, outWidth } = found;
  const [images, height, width, channels] = x.shape as [number, number, number, number];
  const filters = dy.shape[3]!;
  const seen =
    strideHeight * strideWidth === 1
      ? forms.use(x)
      : builder.emit('Slice', [
          forms.use(x),
          builder.ints([0, 0]),
          builder.ints([height, width]),
          builder.ints([1, 2]),
          builder.ints([strideHeight, strideWidth]),
        ]);
  const rows = images * outHeight * outWidth;
  const gradient = product(
    context,
    builder.emit('Reshape', [seen, builder.ints([rows, channels])]),
    builder.emit('Reshape', [forms.use(dy), builder.ints([rows, filters])]),
    { transposeA: true, ranks: [2, 2], dims: [channels, filters] },
  );
  define(context, node, builder.emit('Reshape', [gradient, builder.ints([1, 1, channels, filters])]));
}

/**
 * dW[o, i, tap] = Σ_n Σ_positions dy[n, o, ·] · x_tap[n, i, ·]: a product an image, summed over the images.
 * The taps are joined along the channels, so that few channels still make a product worth its call.
 */
const backpropFilter: Lowering = (node, context) => {
  const { builder, forms } = context;
  const [x, dy] = [input(node, 0), input(node, 1)];
  const [height, width, channels, filters] = output(node).shape as [number, number, number, number];
  const found = info(node, x.shape, output(node).shape);
  if (channels !== x.shape[3]) throw unsupported(node, 'with groups');
  const images = x.shape[0]!;
  const { top, bottom, left, right } = found.padInfo;
  if (height * width === 1 && top + bottom + left + right === 0) {
    pointwiseBackpropFilter(node, context, x, dy, found);
    return;
  }
  if (found.dilationHeight * found.dilationWidth === 1 && fitsBlocks(context, images, filters)) {
    blockedBackpropFilter(node, context, x, dy, found);
    return;
  }
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
};

const depthwiseBackpropFilter: Lowering = (node, context) => {
  const { builder, forms } = context;
  const [x, dy] = [input(node, 0), input(node, 1)];
  const [height, width, channels, multiplier] = output(node).shape as [number, number, number, number];
  const found = info(node, x.shape, output(node).shape, true);
  if (found.dilationHeight * found.dilationWidth === 1 && fitsDepthwise(context, output(node).shape)) {
    blockedDepthwiseBackpropFilter(node, context, x, dy, found);
    return;
  }
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
};

/** Batch norm with given statistics. */
const fusedBatchNorm: Lowering = (node, context) => {
  const { builder, forms } = context;
  const x = input(node, 0);
  const present = (node.attributes.present as string[] | undefined) ?? [
    'x',
    'mean',
    'variance',
    'offset',
    'scale',
  ];
  const named = (name: string) => {
    const at = present.indexOf(name);
    return at < 0 ? undefined : forms.use(input(node, at));
  };
  const channels = x.shape.at(-1)!;
  const filled = (number: number) =>
    builder.constant({ dtype: 'float32', dims: [channels], data: new Float32Array(channels).fill(number) });
  const epsilon = {
    type: 'float',
    value: (node.attributes.varianceEpsilon as number | undefined) ?? 1e-3,
  } as const;
  if (x.shape.length !== 4) throw unsupported(node, 'of a tensor that is not [N, H, W, C]');
  const names = [
    forms.use(x, NCHW),
    named('scale') ?? filled(1),
    named('offset') ?? filled(0),
    named('mean')!,
    named('variance')!,
  ];
  define(context, node, builder.emit('BatchNormalization', names, { epsilon }), NCHW);
};

export const CONVOLUTIONS: Record<string, Lowering> = {
  Conv2D: conv2d,
  Conv2DBackpropFilter: backpropFilter,
  Conv2DBackpropInput: backpropInput,
  DepthwiseConv2dNative: depthwise,
  DepthwiseConv2dNativeBackpropFilter: depthwiseBackpropFilter,
  DepthwiseConv2dNativeBackpropInput: depthwiseBackpropInput,
  FusedBatchNorm: fusedBatchNorm,
};
