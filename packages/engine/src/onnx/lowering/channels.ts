/**
 * What `graph/fuse-channels.ts` joins, on ONNX Runtime's direct kernels: a depthwise 1×1 convolution does factor, summand,
 * residual and ReLU in one pass, and a depthwise convolution of one map with the other as its filter is their sum of
 * products, without a temporary. Batch norm took half of a small network's step before.
 */

import type { AffineAttributes, ChannelSumAttributes } from '../../graph/fuse-channels.js';
import type { Value } from '../../graph/graph.js';
import { NCHWC } from '../forms.js';
import { floats, int, ints, string } from '../model.js';
import { type Context, define, input, type Lowering, output } from './context.js';

const DOMAIN = { domain: 'com.microsoft.nchwc' } as const;

/** The map under other sides than those of its blocks. */
function viewed({ builder, forms }: Context, map: Value, sides: readonly number[]): string {
  return builder.emit('Reshape', [forms.use(map, NCHWC), builder.ints(sides)]);
}

/** [N, H, W, C] → [N, C, H, W], as the kernels declare their blocks. */
const declared = ([images, height, width, channels]: readonly number[]) => [
  images!,
  channels!,
  height!,
  width!,
];

/** All positions in one row: the kernel is called for every row, and small maps have short ones. */
const inOneRow = ([images, height, width, channels]: readonly number[]) => [
  images!,
  channels!,
  1,
  height! * width!,
];

const ACTIVATIONS = {
  Relu: { activation: string('Relu') },
  Relu6: { activation: string('Clip'), activation_params: floats([0, 6]) },
} as const;

const affine: Lowering = (node, context) => {
  const { builder, forms } = context;
  const { parts, activation } = node.attributes as unknown as AffineAttributes;
  const part = (name: AffineAttributes['parts'][number]) => {
    const at = parts.indexOf(name);
    return at < 0 ? undefined : input(node, at + 1);
  };
  const { shape } = output(node);
  const channels = shape[3]!;
  const [shift, residual] = [part('shift'), part('residual')];
  const names = [
    viewed(context, input(node, 0), inOneRow(shape)),
    forms.reshaped(part('scale')!, [channels, 1, 1, 1]),
  ];
  if (shift || residual) names.push(shift ? forms.reshaped(shift, [channels]) : '');
  if (residual) names.push(viewed(context, residual, inOneRow(shape)));
  const attributes = {
    group: int(channels),
    kernel_shape: ints([1, 1]),
    ...(activation === null ? {} : ACTIVATIONS[activation]),
  };
  const y = builder.emit('Conv', names, attributes, { ...DOMAIN, dims: inOneRow(shape) });
  const sides = builder.ints(forms.measure.sides(shape, NCHWC));
  define(context, node, builder.emit('Reshape', [y, sides]), NCHWC);
};

const sum: Lowering = (node, context) => {
  const { builder } = context;
  const [a, b] = [input(node, 0), node.inputs[1]];
  const [images, channels, height, width] = declared(a.shape) as [number, number, number, number];
  const { factor } = node.attributes as unknown as ChannelSumAttributes;
  const maps = images * channels;
  const sums = b
    ? builder.emit(
        'Conv',
        [viewed(context, a, [1, maps, height, width]), viewed(context, b, [maps, 1, height, width])],
        { group: int(maps), kernel_shape: ints([height, width]) },
        DOMAIN,
      )
    : builder.emit('GlobalAveragePool', [viewed(context, a, declared(a.shape))], {}, DOMAIN);
  const rows = builder.emit('Reshape', [sums, builder.ints([images, channels])]);
  const total = builder.emit('ReduceSum', [rows, builder.ints([0])], { keepdims: int(0) });
  const scale = b ? factor : factor * height * width;
  const scaled = scale === 1 ? total : builder.emit('Mul', [total, builder.scalar(scale)]);
  const { shape } = output(node);
  define(context, node, shape.length === 1 ? scaled : builder.emit('Reshape', [scaled, builder.ints(shape)]));
};

export const CHANNELS: Record<string, Lowering> = { ChannelAffine: affine, ChannelSum: sum };
