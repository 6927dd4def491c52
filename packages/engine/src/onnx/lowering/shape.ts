/** Ops that move, cut, join or repeat elements. */
import type { GraphNode, Value } from '../../graph/graph.js';
import { rangeStep, stridedSliceInfo } from '../../recording/shapes.js';
import { allocate, sizeOf } from '../../tensors.js';
import { tf } from '../../tf.js';
import { type Form, identity, NCHW, NCHWC } from '../forms.js';
import { int, string } from '../model.js';
import { type Context, cast, define, input, type Lowering, output, unsupported } from './context.js';

const reshape: Lowering = (node, context) =>
  define(context, node, context.forms.reshaped(input(node, 0), output(node).shape));

/** No node at all: the same elements are another form of the result. */
const transposition: Lowering = (node, context) => {
  const perm = node.attributes.perm as number[];
  const x = input(node, 0);
  if (context.forms.isConstant(x)) {
    define(context, node, context.forms.use(x, perm));
    return;
  }
  const form = context.forms.unblocked(x);
  define(
    context,
    node,
    context.forms.use(x, form),
    form.map((axis) => perm.indexOf(axis)),
  );
};

/** A map that is the same at every position is made in NCHW, where convolutions want it. */
const broadcast: Lowering = (node, context) => {
  const x = input(node, 0);
  const { shape } = output(node);
  const rank = shape.length;
  const padded = [...new Array<number>(rank - x.shape.length).fill(1), ...x.shape];
  const isMap = rank === 4 && padded[1] === 1 && padded[2] === 1;
  const inBlocks = context.block !== null && shape[3]! % context.block === 0;
  const form: Form = isMap ? (inBlocks ? NCHWC : NCHW) : identity(rank);
  const { builder, forms, portable } = context;
  // 1 leaves a side as it is: so a batch size that may vary is not written down.
  const grown = shape.map((side, axis) => (portable && padded[axis] === side ? 1 : side));
  define(
    context,
    node,
    builder.emit('Expand', [forms.operand(x, rank, form), builder.ints(forms.measure.sides(grown, form))]),
    form,
  );
};

const tile: Lowering = (node, { builder, forms, ...rest }) => {
  const x = input(node, 0);
  const form = forms.unblocked(x);
  const reps = form.map((axis) => (node.attributes.reps as number[])[axis]!);
  define(
    { builder, forms, ...rest },
    node,
    builder.emit('Tile', [forms.use(x, form), builder.ints(reps)]),
    form,
  );
};

const concat: Lowering = (node, context) => {
  const form = context.forms.unblocked(input(node, 0));
  const axis = form.indexOf(
    tf.util.parseAxisParam(node.attributes.axis as number, [...output(node).shape])[0]!,
  );
  const names = node.inputs.map((value) => context.forms.use(value, form));
  define(context, node, context.builder.emit('Concat', names, { axis: int(axis) }), form);
};

const pack: Lowering = (node, context) => {
  const { shape } = output(node);
  const axis = node.attributes.axis as number;
  const at = axis < 0 ? shape.length + axis : axis;
  const sides = shape.map((side, index) => (index === at ? 1 : side));
  const names = node.inputs.map((value) => context.forms.reshaped(value, sides));
  define(
    context,
    node,
    names.length === 1 ? names[0]! : context.builder.emit('Concat', names, { axis: int(at) }),
  );
};

/** Slices along axes of TF.js's order, whatever the form. */
function cut(
  context: Context,
  value: Value,
  form: Form,
  ranges: { axis: number; start: number; end: number; step: number }[],
): string {
  const { builder, forms } = context;
  const column = (pick: (range: (typeof ranges)[number]) => number) => builder.ints(ranges.map(pick));
  return builder.emit('Slice', [
    forms.use(value, form),
    column(({ start }) => start),
    column(({ end }) => end),
    column(({ axis }) => form.indexOf(axis)),
    column(({ step }) => step),
  ]);
}

const slice: Lowering = (node, context) => {
  const x = input(node, 0);
  const { shape } = output(node);
  const begin = node.attributes.begin as number | number[];
  const starts = x.shape.map((_, axis) =>
    Array.isArray(begin) ? (begin[axis] ?? 0) : axis === 0 ? begin : 0,
  );
  const form = context.forms.unblocked(x);
  const ranges = shape
    .map((side, axis) => ({ axis, start: starts[axis]!, end: starts[axis]! + side, step: 1 }))
    .filter(({ axis }) => shape[axis] !== x.shape[axis]);
  define(context, node, cut(context, x, form, ranges), form);
};

/** Before any element going backwards: ONNX reads a very small end as "through the first". */
const BEFORE_FIRST = -(2 ** 31);

const stridedSlice: Lowering = (node, context) => {
  const x = input(node, 0);
  const { begin, end, strides, isIdentity, sliceDim0, isSimpleSlice } = stridedSliceInfo(
    [...x.shape],
    node.attributes,
  );
  const whole = isIdentity && !sliceDim0 && !isSimpleSlice;
  const ranges = x.shape.map((_, axis) => ({
    axis,
    start: begin[axis]!,
    end: strides[axis]! < 0 && end[axis]! < 0 ? BEFORE_FIRST : end[axis]!,
    step: strides[axis]!,
  }));
  const cutOut = whole ? context.forms.use(x) : cut(context, x, identity(x.shape.length), ranges);
  define(context, node, context.builder.emit('Reshape', [cutOut, context.builder.ints(output(node).shape)]));
};

const split: Lowering = (node, { builder, forms }) => {
  const x = input(node, 0);
  const form = forms.unblocked(x);
  const axis = tf.util.parseAxisParam(node.attributes.axis as number, [...x.shape])[0]!;
  const sizes = node.outputs.map(({ shape }) => shape[axis]!);
  const names = builder.emitMany(
    'Split',
    [forms.use(x, form), builder.ints(sizes)],
    { axis: int(form.indexOf(axis)) },
    { outputs: sizes.length },
  );
  for (const [index, name] of names.entries()) forms.define(output(node, index), name, form);
};

const unpack: Lowering = (node, context) => {
  const x = input(node, 0);
  const { builder, forms } = context;
  const axis = node.attributes.axis as number;
  const at = axis < 0 ? x.shape.length + axis : axis;
  for (const [index, value] of node.outputs.entries()) {
    const which = builder.constant({ dtype: 'int64', dims: [], data: BigInt64Array.of(BigInt(index)) });
    forms.define(value, builder.emit('Gather', [forms.use(x), which], { axis: int(at) }));
  }
};

function padding(node: GraphNode, form: Form): number[] {
  const paddings = form.map((axis) => (node.attributes.paddings as [number, number][])[axis]!);
  return [...paddings.map(([before]) => before), ...paddings.map(([, after]) => after)];
}

const pad: Lowering = (node, context) => {
  const x = input(node, 0);
  const form = context.forms.unblocked(x);
  const value = context.builder.scalar((node.attributes.constantValue as number | undefined) ?? 0, x.dtype);
  const pads = context.builder.ints(padding(node, form));
  define(context, node, context.builder.emit('Pad', [context.forms.use(x, form), pads, value]), form);
};

const mirrorPad: Lowering = (node, context) => {
  const { builder, forms } = context;
  const x = input(node, 0);
  const form = forms.unblocked(x);
  if (node.attributes.mode === 'reflect') {
    const pads = builder.ints(padding(node, form));
    define(context, node, builder.emit('Pad', [forms.use(x, form), pads], { mode: string('reflect') }), form);
    return;
  }
  // TF.js's "symmetric" repeats the border, which ONNX lacks: every axis is read by a list of places.
  const mirrored = form.reduce(
    (name, axis, place) => {
      const [before, after] = (node.attributes.paddings as [number, number][])[axis]!;
      if (before + after === 0) return name;
      const side = x.shape[axis]!;
      const data = BigInt64Array.from({ length: before + side + after }, (_, to) => {
        const from = to - before;
        return BigInt(from < 0 ? -1 - from : from < side ? from : 2 * side - 1 - from);
      });
      const places = builder.constant({ dtype: 'int64', dims: [data.length], data });
      return builder.emit('Gather', [name, places], { axis: int(place) });
    },
    forms.use(x, form),
  );
  define(context, node, mirrored, form);
};

const gather: Lowering = (node, context) => {
  const { builder, forms } = context;
  const [x, indices] = [input(node, 0), input(node, 1)];
  const axis = tf.util.parseAxisParam(node.attributes.axis as number, [...x.shape])[0]!;
  const batchDims = (node.attributes.batchDims as number | undefined) ?? 0;
  if (batchDims === 0) {
    define(context, node, builder.emit('Gather', [forms.use(x), forms.use(indices)], { axis: int(axis) }));
    return;
  }
  if (axis !== batchDims) throw unsupported(node, 'with an axis that is not the first behind batchDims');
  const rows = cast(context, forms.reshaped(indices, [...indices.shape, 1]), 'int64');
  define(context, node, builder.emit('GatherND', [forms.use(x), rows], { batch_dims: int(batchDims) }));
};

/** The gradient of a gather: rows are added where their index says. */
const unsortedSegmentSum: Lowering = (node, context) => {
  const { builder, forms } = context;
  const [x, ids] = [input(node, 0), input(node, 1)];
  const { shape, dtype } = output(node);
  const zeros = builder.emit('Expand', [builder.scalar(0, dtype), builder.ints(shape)]);
  const count = sizeOf(ids.shape);
  const index = cast(context, forms.reshaped(ids, [count, 1]), 'int64');
  const rows =
    ids.shape.length === 1 ? forms.use(x) : forms.reshaped(x, [count, ...x.shape.slice(ids.shape.length)]);
  define(context, node, builder.emit('ScatterND', [zeros, index, rows], { reduction: string('add') }));
};

/** Images [N, H, W, C], each row from right to left. */
const flipLeftRight: Lowering = (node, context) => {
  const x = input(node, 0);
  const form = context.forms.unblocked(x);
  const flipped = cut(context, x, form, [{ axis: 2, start: -1, end: BEFORE_FIRST, step: -1 }]);
  define(context, node, flipped, form);
};

const reverse: Lowering = (node, context) => {
  const x = input(node, 0);
  const axes = tf.util.parseAxisParam(node.attributes.dims as number[], [...x.shape]);
  const form = context.forms.unblocked(x);
  const ranges = axes.map((axis) => ({ axis, start: -1, end: BEFORE_FIRST, step: -1 }));
  define(context, node, cut(context, x, form, ranges), form);
};

const oneHot: Lowering = (node, context) => {
  const { depth, onValue, offValue } = node.attributes as {
    depth: number;
    onValue: number;
    offValue: number;
  };
  const { builder, forms } = context;
  const indices = input(node, 0);
  const column = forms.reshaped(indices, [...indices.shape, 1]);
  const classes = builder.constant({
    dtype: 'int32',
    dims: [depth],
    data: Int32Array.from({ length: depth }, (_, i) => i),
  });
  const hit = builder.emit('Equal', [column, classes]);
  const { dtype } = output(node);
  define(
    context,
    node,
    builder.emit('Where', [hit, builder.scalar(onValue, dtype), builder.scalar(offValue, dtype)]),
  );
};

const range: Lowering = (node, context) => {
  const start = node.attributes.start as number;
  const step = rangeStep(node.attributes);
  const { dtype, shape } = output(node);
  const data = allocate(dtype, sizeOf(shape));
  for (let index = 0; index < data.length; index++) data[index] = start + index * step;
  define(context, node, context.builder.constant({ dtype, dims: shape, data }));
};

const resizeBilinear: Lowering = (node, context) => {
  const { alignCorners, halfPixelCenters } = node.attributes as {
    alignCorners: boolean;
    halfPixelCenters: boolean;
  };
  const mode = alignCorners ? 'align_corners' : halfPixelCenters ? 'half_pixel' : 'asymmetric';
  const { builder, forms, portable } = context;
  const x = forms.use(input(node, 0), NCHW);
  const sides = forms.measure.sides(output(node).shape, NCHW);
  // Taken from the input, a batch size that may vary is not written down. (With `axes` ONNX Runtime mistakes its transposes.)
  const sizes = portable
    ? builder.emit(
        'Concat',
        [builder.emit('Shape', [x], { start: int(0), end: int(2) }), builder.ints(sides.slice(2))],
        { axis: int(0) },
      )
    : builder.ints(sides);
  const attributes = { mode: string('linear'), coordinate_transformation_mode: string(mode) };
  define(context, node, builder.emit('Resize', [x, '', '', sizes], attributes), NCHW);
};

export const SHAPES: Record<string, Lowering> = {
  Broadcast: broadcast,
  Concat: concat,
  ExpandDims: reshape,
  FlipLeftRight: flipLeftRight,
  GatherV2: gather,
  MirrorPad: mirrorPad,
  OneHot: oneHot,
  Pack: pack,
  PadV2: pad,
  Range: range,
  Reshape: reshape,
  ResizeBilinear: resizeBilinear,
  Reverse: reverse,
  Slice: slice,
  SplitV: split,
  StridedSlice: stridedSlice,
  Tile: tile,
  Transpose: transposition,
  Unpack: unpack,
  UnsortedSegmentSum: unsortedSegmentSum,
};
