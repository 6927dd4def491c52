/** A matrix product of which either side may be turned: one op of ONNX Runtime's, two where only ONNX's own may be used. */
import { int, ints } from '../model.js';
import type { Context } from './context.js';

export interface ProductOptions {
  transposeA?: boolean;
  transposeB?: boolean;
  /** Axes of each side. */
  ranks: readonly [number, number];
  /** Sides of the product, where they are known. */
  dims?: readonly number[];
  /** Whether sides are turned by an op of their own. Default: only where others than ONNX's own ops may not be used. */
  apart?: boolean;
}

function turned({ builder }: Context, name: string, rank: number): string {
  const perm = Array.from({ length: rank }, (_, axis) => axis);
  [perm[rank - 1], perm[rank - 2]] = [rank - 2, rank - 1];
  return builder.emit('Transpose', [name], { perm: ints(perm) });
}

export function product(
  context: Context,
  a: string,
  b: string,
  { transposeA = false, transposeB = false, ranks, dims, apart = false }: ProductOptions,
): string {
  const { builder, portable } = context;
  const known = dims ? { dims } : {};
  if (portable || apart || (!transposeA && !transposeB)) {
    const left = transposeA ? turned(context, a, ranks[0]) : a;
    const right = transposeB ? turned(context, b, ranks[1]) : b;
    return builder.emit('MatMul', [left, right], {}, known);
  }
  const flags = { transA: int(transposeA ? 1 : 0), transB: int(transposeB ? 1 : 0) };
  return builder.emit('FusedMatMul', [a, b], flags, { domain: 'com.microsoft', ...known });
}
