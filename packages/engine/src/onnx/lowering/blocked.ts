/**
 * Convolutions on ONNX Runtime's direct kernels (domain com.microsoft.nchwc), with the filter as a run-time input. Its
 * tensors are declared by their logical sides while the data lie in blocks of channels; a Reshape leads from the one view
 * to the other. Rates on small networks, one thread: two to three times those of the plain ops.
 */
import type { GraphNode, Value } from '../../graph/graph.js';
import { type ConvInfo, type ConvolutionOp, isDilated, type Role } from '../../graph/heavy-op.js';
import { type Form, inner, NCHWC, outer } from '../forms.js';
import { int, ints } from '../model.js';
import { type Context, define, input } from './context.js';
import { isTurnable } from './turnable.js';

/** Filter [height 0, width 1, in 2, out 3] as the kernels want it: blocks of in and out, in within out innermost. */
const FILTER: Form = [outer(3), outer(2), 0, 1, inner(2), inner(3)];
/** The same with few channels in, which are then read from NCHW. */
const STEM_FILTER: Form = [outer(3), 2, 0, 1, inner(3)];
/** In and out exchanged: the filter of the convolution that carries the gradient back. */
const TURNED_FILTER: Form = [outer(2), outer(3), 0, 1, inner(3), inner(2)];
/** Gradients [N 0, H 1, W 2, C 3] as a filter that has an output a channel and an input an image. */
const GRADIENT_AS_FILTER: Form = [outer(3), outer(0), 1, 2, inner(0), inner(3)];

/** How x [N 0, H 1, W 2, C 3] becomes the image, of channels that are images, for the gradient of a filter. */
interface Turned {
  form: Form;
  /** Channels that stand side by side in every column of the image. */
  lanes: (block: number) => number;
  /** The gradient [height, width, in, out] that is made of it. */
  gradient: Form;
}

/** An image a channel. */
const IMAGE_A_CHANNEL: Turned = {
  form: [3, outer(0), 1, 2, inner(0)],
  lanes: () => 1,
  gradient: [2, outer(3), 0, 1, inner(3)],
};
/**
 * An image a block of channels, whose channels are columns side by side. The filter is dilated by a block and so meets one channel
 * at a time, and moves past all of them: [N, block, H, W, 16 c] has to be turned inside of its blocks only, one pass over memory less.
 */
const IMAGE_A_BLOCK: Turned = {
  form: [outer(3), outer(0), 1, 2, inner(3), inner(0)],
  lanes: (block) => block,
  gradient: [outer(2), outer(3), 0, 1, inner(2), inner(3)],
};
/** Blocks of filters that the kernel takes at once; it spreads rows of the result of such a set over threads. */
const BLOCKS_A_SET = 4;

export const DIRECT = { domain: 'com.microsoft.nchwc' } as const;

/** The tensor under other sides. */
export function declare({ builder }: Context, name: string, sides: readonly number[]): string {
  return builder.emit('Reshape', [name, builder.ints(sides)]);
}

/** A filter's taps, its axes 2 and 3, read from `first` on towards the beginning, every `step`-th one; −1 is the last. */
export function backwards(
  builder: Context['builder'],
  filter: string,
  first: readonly [number, number],
  step: number,
): string {
  const beforeTheFirst = -(2 ** 31);
  return builder.emit('Slice', [
    filter,
    builder.ints(first),
    builder.ints([beforeTheFirst, beforeTheFirst]),
    builder.ints([2, 3]),
    builder.ints([-step, -step]),
  ]);
}

/** Whether the direct kernels do this op: its channels fill whole blocks; few channels of x will do for y and the filter. */
export function directFits({ role, info, x, filter }: ConvolutionOp, block: number): boolean {
  const [images, , , channels] = x as [number, number, number, number];
  const fills = (count: number) => count % block === 0;
  if (!fills(filter[3]!)) return false;
  const byRole: Record<Role, () => boolean> = {
    y: () => fills(channels) || channels < block,
    dx: () => fills(channels) && backpropInputFits(info),
    dw: () => fills(images) && !isDilated(info),
  };
  return byRole[role]();
}

export function blockedConv(node: GraphNode, context: Context, { info, filter }: ConvolutionOp): void {
  const { forms, block } = context;
  const [height, width, channels, filters] = filter as [number, number, number, number];
  const isStem = channels < block!;
  const view = isStem ? forms.use(input(node, 0), [0, 3, 1, 2]) : declaredMap(context, input(node, 0));
  const taps = forms.use(input(node, 1), isStem ? STEM_FILTER : FILTER);
  const kernel = declare(context, taps, [filters, channels, height, width]);
  defineBlocked(node, context, direct(context, view, kernel, { info, filters, group: 1 }));
}

/** The convolution itself, on a map and a filter as the kernels declare them. */
export function direct(
  { builder }: Context,
  map: string,
  kernel: string,
  { info, filters, group }: { info: ConvInfo; filters: number; group: number },
): string {
  const { padInfo: p } = info;
  return builder.emit(
    'Conv',
    [map, kernel],
    {
      group: int(group),
      kernel_shape: ints([info.filterHeight, info.filterWidth]),
      strides: ints([info.strideHeight, info.strideWidth]),
      dilations: ints([info.dilationHeight, info.dilationWidth]),
      pads: ints([p.top, p.left, p.bottom, p.right]),
    },
    { ...DIRECT, dims: [info.batchSize, filters, info.outHeight, info.outWidth] },
  );
}

/** From the declared sides [N, C, H, W] back to blocks as an axis of their own. */
export function defineBlocked(node: GraphNode, context: Context, name: string): void {
  const { shape } = node.outputs[0]!;
  define(context, node, declare(context, name, context.forms.measure.sides(shape, NCHWC)), NCHWC);
}

/** [N, H, W, C] in blocks as the kernels declare it, [N, C, H, W]. */
export function declaredMap(context: Context, map: Value): string {
  const [images, height, width, channels] = map.shape as [number, number, number, number];
  return declare(context, context.forms.use(map, NCHWC), [images, channels, height, width]);
}

/** What the gradient of an input is made of. */
interface BackpropInput {
  /** dy as the kernels declare it. */
  gradient: string;
  /** Its taps are the axes 2 and 3. */
  filter: string;
  /** Of the filter, [out, in] as the kernels declare them. */
  channels: readonly [number, number];
  group: number;
  info: ConvInfo;
}

/** Whether the gradient of the input is one convolution of dy, or four. */
export function backpropInputFits(info: ConvInfo): boolean {
  return isTurnable(info) || paritiesBothWays(info) !== null;
}

/** The gradient of the input, where it fits. */
export function backpropInput(node: GraphNode, context: Context, back: BackpropInput): void {
  if (isTurnable(back.info)) backpropStride1(node, context, back);
  else backpropStride2(node, context, back);
}

export function blockedBackpropInput(
  node: GraphNode,
  context: Context,
  { info, filter }: ConvolutionOp,
): void {
  const [, , channels, filters] = filter as [number, number, number, number];
  backpropInput(node, context, {
    gradient: declaredMap(context, input(node, 0)),
    filter: context.forms.use(input(node, 1), TURNED_FILTER),
    ...{ channels: [channels, filters], group: 1, info },
  });
}

/** Stride 1: a convolution with the filter turned round. */
function backpropStride1(
  node: GraphNode,
  context: Context,
  { gradient, filter, channels, group, info }: BackpropInput,
): void {
  const { builder } = context;
  const { filterHeight: height, filterWidth: width, padInfo: p } = info;
  const turned = height * width === 1 ? filter : backwards(builder, filter, [-1, -1], 1);
  const dx = builder.emit(
    'Conv',
    [gradient, declare(context, turned, [...channels, height, width])],
    {
      group: int(group),
      kernel_shape: ints([height, width]),
      pads: ints([height - 1 - p.top, width - 1 - p.left, height - 1 - p.bottom, width - 1 - p.right]),
    },
    { ...DIRECT, dims: [info.batchSize, channels[0], info.inHeight, info.inWidth] },
  );
  defineBlocked(node, context, dx);
}

/** What one parity of the result along an axis takes: taps from `first` down by two, and the padding of dy. */
interface Parity {
  first: number;
  count: number;
  before: number;
  after: number;
}

/**
 * Stride 2 along one axis: position 2u + a of the input met the taps t ≡ a + pad (mod 2), each at position
 * u + (a + pad − t) / 2 of the output. Null where the output would have to be cut for that.
 */
function paritiesOf(kernel: number, pad: number, inSize: number, outSize: number): Parity[] | null {
  const half = Math.ceil(inSize / 2);
  const parities = [0, 1].map((a): Parity => {
    const taps = Array.from({ length: kernel }, (_, tap) => tap).filter((tap) => (a + pad - tap) % 2 === 0);
    const first = taps.at(-1) ?? -1;
    const before = taps.length === 0 ? 0 : -(a + pad - first) / 2;
    return { first, count: taps.length, before, after: half - outSize - before + taps.length - 1 };
  });
  const fits = parities.every(({ count, before, after }) => count === 0 || (before >= 0 && after >= 0));
  return fits ? parities : null;
}

/** Of a stride of 2 along both axes, without dilation. */
function paritiesBothWays(info: ConvInfo): { vertical: Parity[]; horizontal: Parity[] } | null {
  const { padInfo: p, filterHeight, filterWidth, strideHeight, strideWidth } = info;
  if (strideHeight !== 2 || strideWidth !== 2 || isDilated(info)) return null;
  const vertical = paritiesOf(filterHeight, p.top, info.inHeight, info.outHeight);
  const horizontal = paritiesOf(filterWidth, p.left, info.inWidth, info.outWidth);
  return vertical && horizontal ? { vertical, horizontal } : null;
}

/**
 * Stride 2: each of the four parities of the positions is a small convolution of its own at stride 1, and the four are
 * interleaved; a transposed convolution runs at a third of their rate.
 */
function backpropStride2(
  node: GraphNode,
  context: Context,
  { gradient, filter, channels, group, info }: BackpropInput,
): void {
  const { builder } = context;
  const { filterHeight: height, filterWidth: width } = info;
  const { inHeight, inWidth, batchSize } = info;
  const { vertical, horizontal } = paritiesBothWays(info)!;
  const halves = [Math.ceil(inHeight / 2), Math.ceil(inWidth / 2)] as const;
  const block = context.block!;
  const maps = batchSize * (channels[0] / block);
  const part = (v: Parity, h: Parity): string => {
    const sides = builder.ints([maps * halves[0], halves[1], block]);
    if (v.count * h.count === 0) return builder.emit('Expand', [builder.scalar(0), sides]);
    const taps = height * width === 1 ? filter : backwards(builder, filter, [v.first, h.first], 2);
    const dx = builder.emit(
      'Conv',
      [gradient, declare(context, taps, [...channels, v.count, h.count])],
      {
        group: int(group),
        kernel_shape: ints([v.count, h.count]),
        pads: ints([v.before, h.before, v.after, h.after]),
      },
      DIRECT,
    );
    return builder.emit('Reshape', [dx, sides]);
  };
  // [rows of all maps, columns, block]: even and odd columns side by side, then even and odd rows.
  const wide = vertical.map((v) => {
    const pair = builder.emit('Concat', [part(v, horizontal[0]!), part(v, horizontal[1]!)], { axis: int(2) });
    return builder.emit('Reshape', [pair, builder.ints([maps * halves[0], 1, 2 * halves[1] * block])]);
  });
  const whole = builder.emit('Concat', wide, { axis: int(1) });
  const isEven = inHeight % 2 === 0 && inWidth % 2 === 0;
  const cut = isEven
    ? whole
    : builder.emit('Slice', [
        builder.emit('Reshape', [whole, builder.ints([maps, 2 * halves[0], 2 * halves[1] * block])]),
        builder.ints([0, 0]),
        builder.ints([inHeight, inWidth * block]),
        builder.ints([1, 2]),
      ]);
  defineBlocked(node, context, cut);
}

/** A map with its columns padded; columns are axis 2 of TF.js's order, wherever they stand in `form`. */
export function withPaddedColumns(
  { builder, forms }: Context,
  map: Value,
  form: Form,
  info: ConvInfo,
): string {
  const { left, right } = info.padInfo;
  const image = forms.use(map, form);
  const pads = (side: number) => form.map((part) => (part === 2 ? side : 0));
  return left + right === 0
    ? image
    : builder.emit('Pad', [image, builder.ints([...pads(left), ...pads(right)])]);
}

/** Taps down and across that a filter gradient comes out with: rows that no window reaches make some that the filter does not have. */
export function tapsMade(info: ConvInfo): readonly [number, number] {
  const { padInfo: p, inHeight, inWidth, outHeight, outWidth, strideHeight, strideWidth } = info;
  return [
    inHeight + p.top + p.bottom - (outHeight - 1) * strideHeight,
    inWidth + p.left + p.right - (outWidth - 1) * strideWidth,
  ];
}

/** Those taps of the gradient that the filter has; they are axes `axis` and the next. */
export function cutToFilter({ builder }: Context, gradient: string, info: ConvInfo, axis: number): string {
  const [down, across] = tapsMade(info);
  const { filterHeight, filterWidth } = info;
  if (down === filterHeight && across === filterWidth) return gradient;
  return builder.emit('Slice', [
    gradient,
    builder.ints([0, 0]),
    builder.ints([filterHeight, filterWidth]),
    builder.ints([axis, axis + 1]),
  ]);
}

function turnedFor({ block, threads }: Context, [height, , channels, filters]: readonly number[]): Turned {
  if (channels! % block! !== 0) return IMAGE_A_CHANNEL;
  const sets = Math.ceil(filters! / block! / BLOCKS_A_SET);
  return (channels! / block!) * sets * height! >= threads ? IMAGE_A_BLOCK : IMAGE_A_CHANNEL;
}

/**
 * dW[o, i, tap] = Σ_n Σ_positions dy[n, o, ·] · x[n, i, · + tap] as one convolution: the images are its channels, the
 * channels of x its images, and dy is its filter, as large as the map, dilated by the stride. The columns are padded on the
 * tensor, since padding them in the op halves its speed (engine.md).
 */
export function blockedBackpropFilter(node: GraphNode, context: Context, op: ConvolutionOp): void {
  const { builder, forms } = context;
  const { info, filter: shape } = op;
  const [x, dy] = [input(node, 0), input(node, 1)];
  const [, , channels, filters] = shape as [number, number, number, number];
  const [images, rows, columns] = op.x as [number, number, number, number];
  const { padInfo: p, outHeight, outWidth, strideHeight, strideWidth } = info;
  const { form, gradient, ...turned } = turnedFor(context, shape);
  const lanes = turned.lanes(context.block!);
  const widened = withPaddedColumns(context, x, form, info);
  const made = tapsMade(info);
  const dw = builder.emit(
    'Conv',
    [
      declare(context, widened, [channels / lanes, images, rows, (columns + p.left + p.right) * lanes]),
      declare(context, forms.use(dy, GRADIENT_AS_FILTER), [filters, images, outHeight, outWidth]),
    ],
    {
      kernel_shape: ints([outHeight, outWidth]),
      dilations: ints([strideHeight, strideWidth * lanes]),
      pads: ints([p.top, 0, p.bottom, 0]),
    },
    { ...DIRECT, dims: [channels / lanes, filters, made[0], made[1] * lanes] },
  );
  const blocks = declare(context, dw, forms.measure.sides([...made, channels, filters], gradient));
  define(context, node, cutToFilter(context, blocks, info, 2), gradient);
}
