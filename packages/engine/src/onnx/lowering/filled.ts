/**
 * 1×1 convolutions of channels that fill no whole blocks, on the direct kernels: the filter is filled up with zeros, and of the two
 * maps only the one that stands in no blocks is moved, most often the thinner one.
 */
import type { GraphNode, Value } from '../../graph/graph.js';
import { type ConvolutionOp, isPointwise, strideOf } from '../../graph/heavy-op.js';
import { int, ints } from '../model.js';
import { DIRECT, declare, declaredMap, defineBlocked, direct } from './blocked.js';
import { type Context, define, input } from './context.js';

/** The kernels that lead into blocks and out of them move this many channels at once. */
const MOVED_AT_ONCE = 4;

export function filledFits(op: ConvolutionOp, block: number): boolean {
  const [, , ...sides] = op.filter;
  const isThin = sides.some((channels) => channels % block !== 0);
  const moves = sides.every((channels) => channels % MOVED_AT_ONCE === 0);
  return op.role !== 'dw' && isPointwise(op) && strideOf(op.info) === 1 && isThin && moves;
}

/** In blocks as the kernels declare them, [N, C, H, W], C filled up. */
function filledMap(context: Context, map: Value): string {
  const { builder, forms, block } = context;
  if (map.shape[3]! % block! === 0) return declaredMap(context, map);
  return builder.emit('ReorderInput', [forms.use(map)], { channels_last: int(1) }, DIRECT);
}

/** y, or the gradient of x, which is the same with in and out exchanged. */
export function filledConv(node: GraphNode, context: Context, { role, info, filter }: ConvolutionOp): void {
  const { builder, forms } = context;
  const block = context.block!;
  const [, , channels, filters] = filter as [number, number, number, number];
  const blocks = [channels, filters].map((count) => Math.ceil(count / block)) as [number, number];
  const missing = [blocks[0] * block - channels, blocks[1] * block - filters];
  const taps = declare(context, forms.use(input(node, 1)), [channels, filters]);
  const whole = builder.emit('Pad', [taps, builder.ints([0, 0, ...missing])]);
  const split = declare(context, whole, [blocks[0], block, blocks[1], block]);
  const isBack = role === 'dx';
  const [from, to] = (isBack ? [blocks[1], blocks[0]] : blocks).map((count) => count * block) as [
    number,
    number,
  ];
  // Blocks of out, blocks of in, in, out.
  const kernel = builder.emit('Transpose', [split], { perm: ints(isBack ? [0, 2, 3, 1] : [2, 0, 1, 3]) });
  const made = direct(
    context,
    filledMap(context, input(node, 0)),
    declare(context, kernel, [to, from, 1, 1]),
    {
      ...{ info, filters: to, group: 1 },
    },
  );
  const wanted = isBack ? channels : filters;
  if (wanted === to) {
    defineBlocked(node, context, made);
    return;
  }
  const cut = { channels: int(wanted), channels_last: int(1) };
  define(context, node, builder.emit('ReorderOutput', [made], cut, DIRECT));
}
