/** Ops about places: reading and writing by index, running products, evenly spaced numbers, channels spread into space. */
import { axesOf } from '../../recording/shapes.js';
import { NCHW } from '../forms.js';
import { int, ints, string } from '../model.js';
import { cast, define, input, type Lowering, output, unsupported } from './context.js';

const linSpace: Lowering = (node, context) => {
  const { start, stop, num } = node.attributes as { start: number; stop: number; num: number };
  const step = num > 1 ? (stop - start) / (num - 1) : 0;
  const data = Float32Array.from({ length: num }, (_, index) => start + index * step);
  define(context, node, context.builder.constant({ dtype: 'float32', dims: [num], data }));
};

const depthToSpace: Lowering = (node, context) => {
  if (node.attributes.dataFormat === 'NCHW') throw unsupported(node, 'with NCHW data');
  const blocksize = int(node.attributes.blockSize as number);
  const x = context.forms.use(input(node, 0), NCHW);
  define(context, node, context.builder.emit('DepthToSpace', [x], { blocksize }), NCHW);
};

const gatherNd: Lowering = (node, context) => {
  const indices = cast(context, context.forms.use(input(node, 1)), 'int64');
  define(context, node, context.builder.emit('GatherND', [context.forms.use(input(node, 0)), indices]));
};

/** What falls on the same place is added up. */
const scatterNd: Lowering = (node, context) => {
  const { builder, forms } = context;
  const { shape, dtype } = output(node);
  const zeros = builder.emit('Expand', [builder.scalar(0, dtype), builder.ints(shape)]);
  const indices = cast(context, forms.use(input(node, 0)), 'int64');
  const names = [zeros, indices, forms.use(input(node, 1))];
  define(context, node, builder.emit('ScatterND', names, { reduction: string('add') }));
};

/** What falls on the same place comes last. */
const tensorScatterUpdate: Lowering = (node, context) => {
  const { builder, forms } = context;
  const [tensor, updates] = [0, 2].map((index) => forms.use(input(node, index)));
  const indices = cast(context, forms.use(input(node, 1)), 'int64');
  define(context, node, builder.emit('ScatterND', [tensor!, indices, updates!]));
};

/** Blocks of space become images: [N, H, W, C] → [N, H/b, b, W/b, b, C] → [b, b, N, H/b, W/b, C]. */
const spaceToBatch: Lowering = (node, context) => {
  const { builder, forms } = context;
  const { blockShape, paddings } = node.attributes as { blockShape: number[]; paddings: [number, number][] };
  const x = input(node, 0);
  const split = blockShape.length;
  const behind = x.shape.slice(split + 1);
  const pads = [
    ...[0, ...paddings.map(([before]) => before), ...behind.map(() => 0)],
    ...[0, ...paddings.map(([, after]) => after), ...behind.map(() => 0)],
  ];
  const padded = pads.some((pad) => pad > 0)
    ? builder.emit('Pad', [forms.use(x), builder.ints(pads)])
    : forms.use(x);
  const { shape } = output(node);
  const sides = [x.shape[0]!, ...blockShape.flatMap((block, i) => [shape[i + 1]!, block]), ...behind];
  const perm = [
    ...blockShape.map((_, i) => 2 * i + 2),
    0,
    ...blockShape.map((_, i) => 2 * i + 1),
    ...behind.map((_, i) => 2 * split + 1 + i),
  ];
  const parts = builder.emit('Reshape', [padded, builder.ints(sides)]);
  const moved = builder.emit('Transpose', [parts], { perm: ints(perm) });
  define(context, node, builder.emit('Reshape', [moved, builder.ints(shape)]));
};

/** The way back, and what was padded cut off. */
const batchToSpace: Lowering = (node, context) => {
  const { builder, forms } = context;
  const { blockShape, crops } = node.attributes as { blockShape: number[]; crops: [number, number][] };
  const x = input(node, 0);
  const split = blockShape.length;
  const behind = x.shape.slice(split + 1);
  const { shape } = output(node);
  const inner = x.shape.slice(1, split + 1);
  const parts = builder.emit('Reshape', [
    forms.use(x),
    builder.ints([...blockShape, shape[0]!, ...inner, ...behind]),
  ]);
  const perm = [
    split,
    ...blockShape.flatMap((_, i) => [split + 1 + i, i]),
    ...behind.map((_, i) => 2 * split + 1 + i),
  ];
  const moved = builder.emit('Transpose', [parts], { perm: ints(perm) });
  const whole = [shape[0]!, ...inner.map((side, i) => side * blockShape[i]!), ...behind];
  const joined = builder.emit('Reshape', [moved, builder.ints(whole)]);
  const axes = blockShape.map((_, i) => i + 1);
  const cut = crops.some(([before, after]) => before + after > 0)
    ? builder.emit('Slice', [
        joined,
        builder.ints(crops.map(([before]) => before)),
        builder.ints(axes.map((axis, i) => crops[i]![0] + shape[axis]!)),
        builder.ints(axes),
      ])
    : joined;
  define(context, node, cut);
};

/** ONNX has no running product: every place multiplies those that its row of a triangular mask lets through. */
const cumulativeProduct: Lowering = (node, context) => {
  const { builder, forms } = context;
  const { axis, exclusive, reverse } = node.attributes as {
    axis: number;
    exclusive: boolean;
    reverse: boolean;
  };
  const x = input(node, 0);
  const [at] = axesOf(x.shape, axis);
  const size = x.shape[at!]!;
  const mask = Uint8Array.from({ length: size * size }, (_, place) => {
    const [to, from] = [Math.floor(place / size), place % size];
    const before = reverse ? from > to : from < to;
    return before || (from === to && !exclusive) ? 1 : 0;
  });
  const behind = x.shape.slice(at! + 1);
  const spread = forms.reshaped(x, [...x.shape.slice(0, at), 1, size, ...behind]);
  const lets = builder.constant({ dtype: 'bool', dims: [size, size, ...behind.map(() => 1)], data: mask });
  const factors = builder.emit('Where', [lets, spread, builder.scalar(1, x.dtype)]);
  define(context, node, builder.emit('ReduceProd', [factors, builder.ints([at! + 1])], { keepdims: int(0) }));
};

export const PLACES: Record<string, Lowering> = {
  BatchToSpaceND: batchToSpace,
  Cumprod: cumulativeProduct,
  DepthToSpace: depthToSpace,
  GatherNd: gatherNd,
  LinSpace: linSpace,
  ScatterNd: scatterNd,
  SpaceToBatchND: spaceToBatch,
  TensorScatterUpdate: tensorScatterUpdate,
};
