/** The ops in which a step's work is: convolutions, depthwise ones, both gradients of each, and matrix products. */
import { convInfo } from '../recording/shapes.js';
import { sizeOf } from '../tensors.js';
import type { GraphNode } from './graph.js';

export type ConvInfo = ReturnType<typeof convInfo>;

/** Which of the three ops of a convolution: y from x and the filter, or the gradient of one of these. */
export type Role = 'y' | 'dx' | 'dw';

export interface ConvolutionOp {
  kind: 'convolution' | 'depthwise';
  role: Role;
  /** [images, height, width, channels] */
  x: readonly number[];
  /** [height, width, channels, filters]; depthwise [height, width, channels, multiplier] */
  filter: readonly number[];
  /** [images, height, width, filters] */
  y: readonly number[];
  info: ConvInfo;
}

export interface ProductOp {
  kind: 'product';
  /** Products of matrices, one a place of the axes in front of the last two. */
  count: number;
  rows: number;
  inner: number;
  columns: number;
  transposeA: boolean;
  transposeB: boolean;
}

export type HeavyOp = ConvolutionOp | ProductOp;

const ROLES: Record<string, { kind: ConvolutionOp['kind']; role: Role }> = {
  Conv2D: { kind: 'convolution', role: 'y' },
  Conv2DBackpropInput: { kind: 'convolution', role: 'dx' },
  Conv2DBackpropFilter: { kind: 'convolution', role: 'dw' },
  DepthwiseConv2dNative: { kind: 'depthwise', role: 'y' },
  DepthwiseConv2dNativeBackpropInput: { kind: 'depthwise', role: 'dx' },
  DepthwiseConv2dNativeBackpropFilter: { kind: 'depthwise', role: 'dw' },
};

/** What a node is of these; null for other ops, and for convolutions in groups, of which there is one form. */
export function heavyOpOf(node: GraphNode): HeavyOp | null {
  if (node.op === 'BatchMatMul') return productOf(node);
  const op = convolutionOf(node);
  return op && op.filter[2] === op.x[3] ? op : null;
}

/** @returns null for other ops, and for data in NCHW */
export function convolutionOf({ op, inputs, outputs, attributes }: GraphNode): ConvolutionOp | null {
  const known = ROLES[op];
  const [a, b] = inputs.map(({ shape }) => shape);
  const out = outputs[0]?.shape;
  if (!known || !a || !b || !out) return null;
  const { kind, role } = known;
  const [x, filter, y] = { y: [a, b, out], dx: [out, b, a], dw: [a, out, b] }[role] as number[][];
  const info = convInfo(x!, filter!, attributes, kind === 'depthwise');
  if (info.dataFormat !== 'channelsLast') return null;
  return { kind, role, x: x!, filter: filter!, y: y!, info };
}

function productOf({ inputs, outputs, attributes }: GraphNode): ProductOp {
  const { transposeA, transposeB } = attributes as { transposeA: boolean; transposeB: boolean };
  const { shape } = outputs[0]!;
  const [rows, columns] = shape.slice(-2) as [number, number];
  return {
    kind: 'product',
    count: sizeOf(shape.slice(0, -2)),
    ...{ rows, columns, inner: inputs[0]!.shape.at(transposeA ? -2 : -1)! },
    transposeA: transposeA === true,
    transposeB: transposeB === true,
  };
}

export const isPointwise = ({ info }: ConvolutionOp): boolean =>
  info.filterHeight * info.filterWidth === 1 && padsOf(info).every((pad) => pad === 0);

export const strideOf = ({ strideHeight, strideWidth }: ConvInfo): number => strideHeight * strideWidth;

export const isDilated = ({ dilationHeight, dilationWidth }: ConvInfo): boolean =>
  dilationHeight * dilationWidth > 1;

/** Top, right, bottom, left. */
export const padsOf = ({ padInfo: p }: ConvInfo): [number, number, number, number] => [
  p.top,
  p.right,
  p.bottom,
  p.left,
];
