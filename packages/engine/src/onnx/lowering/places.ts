/** Ops about places: reading and writing by index, running products, evenly spaced numbers, channels spread into space. */
import { axesOf } from '../../recording/shapes.js';
import { NCHW } from '../forms.js';
import { int, string } from '../model.js';
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
  Cumprod: cumulativeProduct,
  DepthToSpace: depthToSpace,
  GatherNd: gatherNd,
  LinSpace: linSpace,
  ScatterNd: scatterNd,
};
