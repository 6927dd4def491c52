/**
 * Convolutions and their gradients as one matrix product each over the rows of NHWC, a row a position of y: of a 1×1 filter the map
 * as it is, of a larger one every position's taps side by side.
 */
import type { GraphNode, Value } from '../../graph/graph.js';
import { type ConvInfo, type ConvolutionOp, isPointwise, padsOf } from '../../graph/heavy-op.js';
import { sizeOf } from '../../tensors.js';
import { int, ints } from '../model.js';
import { backwards, declare } from './blocked.js';
import { type Context, define, input } from './context.js';
import { product } from './product.js';

interface Window {
  kernel: readonly [number, number];
  strides: readonly [number, number];
  dilations: readonly [number, number];
  /** Top, right, bottom, left. */
  pads: readonly [number, number, number, number];
  /** Rows and columns of the result. */
  out: readonly [number, number];
}

const windowOf = (info: ConvInfo): Window => ({
  kernel: [info.filterHeight, info.filterWidth],
  strides: [info.strideHeight, info.strideWidth],
  dilations: [info.dilationHeight, info.dilationWidth],
  pads: padsOf(info),
  out: [info.outHeight, info.outWidth],
});

/** For every tap of the window, what of the map it meets, [N, H_out, W_out, C]. */
function metBy(context: Context, map: Value, { kernel, strides, dilations, pads, out }: Window): string[] {
  const { builder, forms } = context;
  const [top, right, bottom, left] = pads;
  const isPadded = pads.some((pad) => pad > 0);
  const name = forms.use(map);
  const whole = isPadded
    ? builder.emit('Pad', [name, builder.ints([0, top, left, 0, 0, bottom, right, 0])])
    : name;
  if (kernel[0] * kernel[1] * strides[0] * strides[1] === 1 && !isPadded) return [whole];
  return Array.from({ length: kernel[0] * kernel[1] }, (_, tap) => {
    const start = [Math.floor(tap / kernel[1]) * dilations[0], (tap % kernel[1]) * dilations[1]] as const;
    return builder.emit('Slice', [
      whole,
      builder.ints(start),
      builder.ints(start.map((from, axis) => from + (out[axis]! - 1) * strides[axis]! + 1)),
      builder.ints([1, 2]),
      builder.ints(strides),
    ]);
  });
}

/** [N · H_out · W_out, taps · C] */
function rowsOf(context: Context, map: Value, window: Window): string {
  const met = metBy(context, map, window);
  const joined = met.length === 1 ? met[0]! : context.builder.emit('Concat', met, { axis: int(3) });
  const [images, , , channels] = map.shape as [number, number, number, number];
  return declare(context, joined, [images * window.out[0] * window.out[1], met.length * channels]);
}

export function rowsConv(node: GraphNode, context: Context, { info, filter, y }: ConvolutionOp): void {
  const rows = rowsOf(context, input(node, 0), windowOf(info));
  const [height, width, channels, filters] = filter as [number, number, number, number];
  const taps = declare(context, context.forms.use(input(node, 1)), [height * width * channels, filters]);
  const dims = [sizeOf(y) / filters, filters];
  define(context, node, declare(context, product(context, rows, taps, { ranks: [2, 2], dims }), y));
}

/** Stride 1: rows of dy, the taps turned round. */
export function rowsBackpropInput(node: GraphNode, context: Context, op: ConvolutionOp): void {
  const { builder, forms } = context;
  const { info, filter, x } = op;
  const [height, width, channels, filters] = filter as [number, number, number, number];
  const [top, right, bottom, left] = padsOf(info);
  const dy = input(node, 0);
  const rows = rowsOf(context, dy, {
    kernel: [height, width],
    strides: [1, 1],
    dilations: [1, 1],
    pads: [height - 1 - top, width - 1 - right, height - 1 - bottom, width - 1 - left],
    out: [info.inHeight, info.inWidth],
  });
  const dims = [sizeOf(x) / channels, channels];
  if (isPointwise(op)) {
    const taps = declare(context, forms.use(input(node, 1)), [channels, filters]);
    const dx = product(context, rows, taps, { transposeB: true, ranks: [2, 2], dims });
    define(context, node, declare(context, dx, x));
    return;
  }
  const turned = backwards(builder, forms.use(input(node, 1), [3, 2, 0, 1]), [-1, -1], 1);
  const taps = declare(context, builder.emit('Transpose', [turned], { perm: ints([2, 3, 0, 1]) }), [
    height * width * filters,
    channels,
  ]);
  define(context, node, declare(context, product(context, rows, taps, { ranks: [2, 2], dims }), x));
}

/** dW[tap · i, o] = Σ_positions x_tap[position, i] · dy[position, o] */
export function rowsBackpropFilter(
  node: GraphNode,
  context: Context,
  { info, filter, y }: ConvolutionOp,
): void {
  const [height, width, channels, filters] = filter as [number, number, number, number];
  const rows = rowsOf(context, input(node, 0), windowOf(info));
  const gradient = declare(context, context.forms.use(input(node, 1)), [sizeOf(y) / filters, filters]);
  const dims = [height * width * channels, filters];
  const dw = product(context, rows, gradient, { transposeA: true, ranks: [2, 2], dims });
  define(context, node, declare(context, dw, filter));
}

/** The same, a product a tap. */
export function tapsBackpropFilter(
  node: GraphNode,
  context: Context,
  { info, filter, y }: ConvolutionOp,
): void {
  const [, , channels, filters] = filter as [number, number, number, number];
  const size = sizeOf(y) / filters;
  const gradient = declare(context, context.forms.use(input(node, 1)), [size, filters]);
  const parts = metBy(context, input(node, 0), windowOf(info)).map((met) =>
    product(context, declare(context, met, [size, channels]), gradient, {
      transposeA: true,
      ranks: [2, 2],
      dims: [channels, filters],
    }),
  );
  define(context, node, declare(context, context.builder.emit('Concat', parts, { axis: int(0) }), filter));
}
