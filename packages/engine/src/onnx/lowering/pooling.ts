/** Pooling and its gradients, in NCHW. */
import { poolInfo } from '../../recording/shapes.js';
import { sizeOf } from '../../tensors.js';
import { NCHW } from '../forms.js';
import { int, ints, string } from '../model.js';
import { type Context, define, input, type Lowering, output } from './context.js';

type Info = ReturnType<typeof poolInfo>;

function attributes({ filterHeight, filterWidth, strideHeight, strideWidth, padInfo }: Info) {
  return {
    kernel_shape: ints([filterHeight, filterWidth]),
    strides: ints([strideHeight, strideWidth]),
    pads: ints([padInfo.top, padInfo.left, padInfo.bottom, padInfo.right]),
  };
}

const pool =
  (op: string): Lowering =>
  (node, context) => {
    const x = input(node, 0);
    const found = poolInfo(x.shape, node.attributes);
    define(context, node, context.builder.emit(op, [context.forms.use(x, NCHW)], attributes(found)), NCHW);
  };

/** Each gradient goes to the place of its window's (first) maximum, which MaxPool names as an index into the whole input. */
const maxPoolGrad: Lowering = (node, context) => {
  const { builder, forms } = context;
  const [dy, x] = [input(node, 0), input(node, 1)];
  const found = poolInfo(x.shape, node.attributes);
  const [, places] = builder.emitMany('MaxPool', [forms.use(x, NCHW)], attributes(found), { outputs: 2 });
  const flat = builder.ints([-1]);
  const zeros = builder.emit('Expand', [builder.scalar(0), builder.ints([sizeOf(x.shape)])]);
  const scattered = builder.emit(
    'ScatterElements',
    [zeros, builder.emit('Reshape', [places!, flat]), builder.emit('Reshape', [forms.use(dy, NCHW), flat])],
    { axis: int(0), reduction: string('add') },
  );
  const sides = builder.ints(forms.measure.sides(output(node).shape, NCHW));
  define(context, node, builder.emit('Reshape', [scattered, sides]), NCHW);
};

/** How many elements of the input each window covers; its padding is not counted. [1, 1, H_out, W_out] */
function windowSizes({ builder }: Context, found: Info): string {
  const covered = (at: number, stride: number, kernel: number, before: number, size: number) => {
    const start = at * stride - before;
    return Math.min(start + kernel, size) - Math.max(start, 0);
  };
  const { outHeight, outWidth, padInfo } = found;
  const data = new Float32Array(outHeight * outWidth);
  for (let row = 0; row < outHeight; row++)
    for (let column = 0; column < outWidth; column++)
      data[row * outWidth + column] =
        covered(row, found.strideHeight, found.filterHeight, padInfo.top, found.inHeight) *
        covered(column, found.strideWidth, found.filterWidth, padInfo.left, found.inWidth);
  return builder.constant({ dtype: 'float32', dims: [1, 1, outHeight, outWidth], data });
}

/** Each window's gradient, divided by its size, spread over the window: a transposed convolution with ones. */
const avgPoolGrad: Lowering = (node, context) => {
  const { builder, forms } = context;
  const [dy, x] = [input(node, 0), input(node, 1)];
  const found = poolInfo(x.shape, node.attributes);
  const channels = x.shape[3]!;
  const share = builder.emit('Div', [forms.use(dy, NCHW), windowSizes(context, found)]);
  const { filterHeight, filterWidth, padInfo: p } = found;
  const ones = builder.constant({
    dtype: 'float32',
    dims: [channels, 1, filterHeight, filterWidth],
    data: new Float32Array(channels * filterHeight * filterWidth).fill(1),
  });
  const rest = [
    found.inHeight - ((found.outHeight - 1) * found.strideHeight + filterHeight - p.top - p.bottom),
    found.inWidth - ((found.outWidth - 1) * found.strideWidth + filterWidth - p.left - p.right),
  ];
  const spread = builder.emit('ConvTranspose', [share, ones], {
    ...attributes(found),
    group: int(channels),
    output_padding: ints(rest),
  });
  define(context, node, spread, NCHW);
};

export const POOLING: Record<string, Lowering> = {
  AvgPool: pool('AveragePool'),
  AvgPoolGrad: avgPoolGrad,
  MaxPool: pool('MaxPool'),
  MaxPoolGrad: maxPoolGrad,
};
