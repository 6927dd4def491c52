/** For tests: ops that networks are made of beside plain convolutions, and those of `ops/`. */
import type { Tensor, Tensor1D, Tensor3D, Tensor4D } from '@tensorflow/tfjs-core';
import * as ops from '../ops/index.js';
import { tf } from '../tf.js';
import type { OpCase } from './op-case.js';

const DEPTHWISE =
  'DepthwiseConv2dNative DepthwiseConv2dNativeBackpropInput DepthwiseConv2dNativeBackpropFilter';
const map = (x: Tensor) => x as Tensor4D;

/** Whole blocks of channels, at sizes and strides that leave rows over and that do not. */
const depthwise: OpCase[] = [
  { x: [2, 8, 8, 32], kernel: 3, stride: 1, pad: 1 },
  { x: [2, 8, 8, 32], kernel: 3, stride: 2, pad: 1 },
  { x: [3, 7, 9, 16], kernel: 3, stride: 2, pad: 1 },
  { x: [2, 9, 7, 16], kernel: 5, stride: 1, pad: 2 },
  { x: [2, 8, 8, 16], kernel: 3, stride: 2, pad: 'same' as const },
  { x: [2, 8, 8, 16], kernel: 3, stride: 2, pad: 0 },
  { x: [2, 8, 8, 16], kernel: 3, stride: 3, pad: 1 },
  { x: [1, 1, 1, 16], kernel: 3, stride: 1, pad: 1 },
  // Not whole blocks.
  { x: [2, 6, 6, 24], kernel: 3, stride: 1, pad: 1 },
  { x: [2, 6, 6, 24], kernel: 3, stride: 2, pad: 1 },
].map(({ x, kernel, stride, pad }) => ({
  covers: DEPTHWISE,
  shapes: [x, [kernel, kernel, x[3]!, 1]],
  fn: (a, b) =>
    tf.mean(
      tf.relu6(tf.mul(tf.depthwiseConv2d(map(a!), map(b!), stride, pad), tf.range(1, x[3]! + 1))),
      [1, 2],
    ),
}));

const transposed: OpCase[] = [
  { y: [2, 6, 6, 4], dy: [2, 6, 6, 5], kernel: 3, stride: 1, pad: 'same' as const },
  { y: [2, 7, 7, 4], dy: [2, 3, 3, 5], kernel: 3, stride: 2, pad: 'valid' as const },
  { y: [2, 8, 8, 4], dy: [2, 4, 4, 5], kernel: 4, stride: 2, pad: 1 },
  { y: [2, 6, 6, 4], dy: [2, 2, 2, 5], kernel: 3, stride: 3, pad: 'valid' as const },
  { y: [16, 8, 8, 16], dy: [16, 4, 4, 32], kernel: 2, stride: 2, pad: 'valid' as const },
  { y: [16, 8, 8, 16], dy: [16, 4, 4, 16], kernel: 4, stride: 2, pad: 1 },
].map(({ y, dy, kernel, stride, pad }) => ({
  covers: 'Conv2DBackpropInput Conv2D Conv2DBackpropFilter',
  shapes: [dy, [kernel, kernel, y[3]!, dy[3]!]],
  fn: (a, b) => tf.conv2dTranspose(map(a!), map(b!), y as [number, number, number, number], stride, pad),
}));

export const NETWORK_CASES: OpCase[] = [
  ...depthwise,
  ...transposed,
  {
    covers: DEPTHWISE,
    shapes: [
      [2, 6, 6, 4],
      [3, 3, 4, 2],
      [1, 1, 8, 5],
    ],
    fn: (x, d, p) => tf.separableConv2d(map(x!), map(d!), map(p!), 1, 'same'),
  },
  {
    covers: 'DepthwiseConv2dNative SpaceToBatchND BatchToSpaceND',
    shapes: [
      [1, 8, 8, 16],
      [3, 3, 16, 1],
    ],
    fn: (x, w) => tf.depthwiseConv2d(map(x!), map(w!), 1, 'same', 'NHWC', 2),
    forwardOnly: true,
  },
  {
    covers: 'Relu6',
    shapes: [[2, 4, 4, 16]],
    range: [-4, 9],
    fn: (x) => tf.mul(tf.relu6(tf.add(x!, tf.range(0, 16))), tf.relu6(x!)),
  },
  {
    covers: 'layerNorm',
    shapes: [[2, 5, 6], [6], [6]],
    fn: (x, g, b) => ops.layerNorm(x!, g as Tensor1D, b as Tensor1D, 1e-6),
  },
  {
    covers: 'groupNorm',
    shapes: [[2, 3, 4, 6], [6], [6]],
    fn: (x, g, b) => ops.groupNorm(x!, g as Tensor1D, b as Tensor1D, { groups: 3, epsilon: 1e-5 }),
  },
  {
    covers: 'batchNormTraining',
    shapes: [[2, 3, 4, 6], [6], [6]],
    fn: (x, g, b) => ops.batchNormTraining(x!, g as Tensor1D, b as Tensor1D, 1e-5).y,
  },
  { covers: 'gelu', shapes: [[4, 7]], range: [-3, 3], fn: (x) => ops.gelu(x!) },
  {
    covers: 'attention',
    shapes: [
      [2, 5, 6],
      [2, 4, 6],
      [2, 4, 6],
    ],
    fn: (q, k, v) => ops.attention(q as Tensor3D, k as Tensor3D, v as Tensor3D, 2),
  },
  ...(
    [
      ['bij,bjk->bik', [2, 3, 4], [2, 4, 5]],
      ['bhid,bhjd->bhij', [2, 2, 3, 4], [2, 2, 5, 4]],
      ['ij,kj->ki', [3, 4], [5, 4]],
      ['ij,j->i', [3, 4], [4]],
      ['i,j->ij', [3], [4]],
      ['ijk,ljk->', [2, 3, 4], [2, 3, 4]],
      ['ij,jk,kl->li', [2, 3], [3, 4], [4, 5]],
      ['ijk->ki', [2, 3, 4]],
    ] as [string, ...number[][]][]
  ).map(
    ([equation, ...shapes]): OpCase => ({
      covers: 'einsum',
      shapes,
      fn: (...xs) => ops.einsum(equation, ...xs),
    }),
  ),
  ...[2, 3, 4, 5].map((rank): OpCase => {
    const before = [2, 1, 2].slice(0, rank - 2);
    return {
      covers: 'BatchMatMul',
      shapes: [
        [...before, 3, 4],
        [...before, 5, 4],
      ],
      fn: (a, b) => tf.matMul(a!, b!, false, true),
    };
  }),
  {
    covers: 'LRN LRNGrad',
    shapes: [[2, 3, 3, 7]],
    fn: (x) => tf.localResponseNormalization(map(x!), 2, 1, 0.3, 0.6),
  },
  {
    covers: 'randomUniform CounterUniform',
    shapes: [[3, 7]],
    fn: (x) =>
      tf.mul(x!, ops.randomUniform([3, 7], tf.tensor1d([5, -6], 'int32'), tf.tensor1d([7, 0], 'int32'))),
  },
];
