/**
 * Local response normalisation over neighbouring channels, y = x · s^−β with s = bias + α · Σ x², and its gradient
 * dx = dy · s^−β − 2αβ · x · Σ (dy · y / s), the sums over the channels that have the place in their window.
 */
import type { Value } from '../../graph/graph.js';
import { int, ints } from '../model.js';
import { type Context, define, input, type Lowering, output } from './context.js';

interface Attributes {
  depthRadius: number;
  bias: number;
  alpha: number;
  beta: number;
}

/** Σ over the window of channels: the mean of an average pool along the innermost axis, times its size. */
function windowSum({ builder }: Context, name: string, { shape }: Value, radius: number): string {
  const channels = shape.at(-1)!;
  const size = 2 * radius + 1;
  const rows = shape.slice(0, -1).reduce((product, side) => product * side, 1);
  const lines = builder.emit('Reshape', [name, builder.ints([rows, 1, channels])]);
  const means = builder.emit('AveragePool', [lines], {
    kernel_shape: ints([size]),
    pads: ints([radius, radius]),
    count_include_pad: int(1),
  });
  const sums = builder.emit('Mul', [means, builder.scalar(size)]);
  return builder.emit('Reshape', [sums, builder.ints(shape)]);
}

function spread(context: Context, x: Value, { depthRadius, bias, alpha }: Attributes): string {
  const { builder, forms } = context;
  const name = forms.use(x);
  const sums = windowSum(context, builder.emit('Mul', [name, name]), x, depthRadius);
  return builder.emit('Add', [builder.emit('Mul', [sums, builder.scalar(alpha)]), builder.scalar(bias)]);
}

const lrn: Lowering = (node, context) => {
  const { builder, forms } = context;
  const attributes = node.attributes as unknown as Attributes;
  const x = input(node, 0);
  const power = builder.emit('Pow', [spread(context, x, attributes), builder.scalar(-attributes.beta)]);
  define(context, node, builder.emit('Mul', [forms.use(x), power]));
};

const lrnGrad: Lowering = (node, context) => {
  const { builder, forms } = context;
  const attributes = node.attributes as unknown as Attributes;
  const { alpha, beta, depthRadius } = attributes;
  const x = input(node, 0);
  const [y, dy] = [1, 2].map((index) => forms.use(input(node, index)));
  const s = spread(context, x, attributes);
  const direct = builder.emit('Mul', [dy!, builder.emit('Pow', [s, builder.scalar(-beta)])]);
  const shares = builder.emit('Div', [builder.emit('Mul', [dy!, y!]), s]);
  const sums = windowSum(context, shares, output(node), depthRadius);
  const through = builder.emit('Mul', [
    builder.emit('Mul', [forms.use(x), sums]),
    builder.scalar(2 * alpha * beta),
  ]);
  define(context, node, builder.emit('Sub', [direct, through]));
};

export const LOCAL_RESPONSE: Record<string, Lowering> = { LRN: lrn, LRNGrad: lrnGrad };
