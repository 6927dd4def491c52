/** For tests: ops about places, resizing, and what only shows at the edges of other ops. */
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as ops from '../ops/index.js';
import { tf } from '../tf.js';
import type { OpCase } from './op-case.js';

const matrix = [3, 5];
const before: [number, number][] = [
  [0, 0],
  [1, 0],
];

export const PLACE_CASES: OpCase[] = [
  { covers: 'Atan2', shapes: [matrix, matrix], fn: (a, b) => tf.atan2(a!, b!) },
  { covers: 'Cumprod', shapes: [matrix], fn: (x) => tf.cumprod(x!, 1, true, true), forwardOnly: true },
  { covers: 'Cumprod Prod', shapes: [matrix], fn: (x) => tf.prod(x!, 1) },
  { covers: 'LinSpace', shapes: [matrix], fn: (x) => tf.mul(x!, tf.linspace(0, 1, 5)) },
  // Downwards, without a step that says so.
  { covers: 'Range', shapes: [matrix], fn: (x) => tf.mul(x!, tf.range(5, 0)) },
  // Two ops that differ in the sign of an infinity are two ops.
  {
    covers: 'PadV2',
    shapes: [matrix],
    fn: (x) =>
      tf.add(
        tf.max(tf.pad(x!, before, Number.NEGATIVE_INFINITY), 1),
        tf.min(tf.pad(x!, before, Number.POSITIVE_INFINITY), 1),
      ),
    forwardOnly: true,
  },
  {
    covers: 'DepthToSpace',
    shapes: [[1, 2, 3, 8]],
    fn: (x) => tf.depthToSpace(x as Tensor4D, 2),
    forwardOnly: true,
  },
  {
    covers: 'GatherNd',
    shapes: [matrix],
    fn: (x) => tf.gatherND(x!, tf.tensor2d([0, 1, 2, 4], [2, 2], 'int32')),
    forwardOnly: true,
  },
  {
    covers: 'ScatterNd',
    shapes: [[3, 2]],
    fn: (x) => tf.scatterND(tf.tensor2d([1, 3, 1], [3, 1], 'int32'), x!, [4, 2]),
    forwardOnly: true,
  },
  // Twice the same row, and indices of two axes.
  {
    covers: 'gatherNd GatherNd ScatterNd',
    shapes: [[3, 4]],
    fn: (x) => ops.gatherNd(x!, tf.tensor2d([2, 0, 2], [3, 1], 'int32')),
  },
  {
    covers: 'scatterNd ScatterNd GatherNd',
    shapes: [[3]],
    fn: (x) => ops.scatterNd(tf.tensor2d([0, 1, 3, 2, 0, 1], [3, 2], 'int32'), x!, [4, 3]),
  },
  {
    covers: 'scatterUpdate TensorScatterUpdate',
    shapes: [
      [4, 3],
      [2, 3],
    ],
    fn: (x, updates) => ops.scatterUpdate(x!, tf.tensor2d([3, 1], [2, 1], 'int32'), updates!),
  },
  {
    covers: 'GatherV2',
    shapes: [[2, 4, 3]],
    fn: (x) => tf.gather(x!, tf.tensor2d([1, 3, 0, 0], [2, 2], 'int32'), 1, 1),
    forwardOnly: true,
  },
  {
    covers: 'GatherV2 UnsortedSegmentSum',
    shapes: [[4, 3]],
    fn: (x) => tf.gather(x!, tf.tensor2d([1, 3, 0, 3], [2, 2], 'int32'), 0),
  },
  {
    covers: 'GatherV2 UnsortedSegmentSum',
    shapes: [[2, 4, 3]],
    fn: (x) => tf.gather(x!, tf.tensor1d([1, 3, 3], 'int32'), 1),
  },
  {
    covers: 'UnsortedSegmentSum',
    shapes: [[4, 3]],
    fn: (x) => tf.unsortedSegmentSum(x!, tf.tensor1d([1, 0, 1, 2], 'int32'), 3),
  },
  {
    covers: 'SpaceToBatchND BatchToSpaceND',
    shapes: [[2, 3, 4, 2]],
    fn: (x) =>
      tf.spaceToBatchND(
        x!,
        [2, 2],
        [
          [1, 0],
          [1, 1],
        ],
      ),
  },
  {
    covers: 'BatchToSpaceND SpaceToBatchND',
    shapes: [[8, 2, 3, 2]],
    fn: (x) =>
      tf.batchToSpaceND(
        x!,
        [2, 2],
        [
          [1, 0],
          [0, 1],
        ],
      ),
  },
  {
    covers: 'FlipLeftRight',
    shapes: [[2, 3, 4, 2]],
    fn: (x) => tf.image.flipLeftRight(x as Tensor4D),
    forwardOnly: true,
  },
  {
    covers: 'MirrorPad',
    shapes: [[3, 4]],
    fn: (x) =>
      tf.mirrorPad(
        x!,
        [
          [2, 1],
          [0, 3],
        ],
        'symmetric',
      ),
    forwardOnly: true,
  },
  {
    covers: 'BitwiseAnd',
    shapes: [matrix, matrix],
    range: [-9, 9],
    fn: (a, b) => tf.cast(tf.bitwiseAnd(tf.cast(a!, 'int32'), tf.cast(b!, 'int32')), 'float32'),
    forwardOnly: true,
  },
  // Integers that float32 cannot hold, towards minus infinity.
  {
    covers: 'FloorDiv',
    shapes: [matrix],
    range: [-2, 2],
    fn: (x) => {
      const sign = tf.cast(x!, 'int32');
      const whole = (value: number) => tf.scalar(value, 'int32');
      const large = tf.add(tf.mul(sign, whole(1_000_000_007)), whole(3));
      const quotient = tf.floorDiv(large, whole(-7));
      return tf.cast(tf.add(quotient, tf.mul(sign, whole(142_857_143))), 'float32');
    },
    forwardOnly: true,
  },
  ...[
    [0, false, false],
    [0, true, false],
    [1, false, true],
  ].map(
    ([axis, exclusive, reverse]): OpCase => ({
      covers: 'cumsum Cumsum',
      shapes: [[2, 3, 4]],
      fn: (x) =>
        ops.cumsum(x!, axis as number, { exclusive: exclusive as boolean, reverse: reverse as boolean }),
    }),
  ),
  // One square image: TF.js's CPU gradients swap height and width (bilinear) and mistake the second image's place (nearest).
  ...[false, true].flatMap((aligned): OpCase[] => [
    {
      covers: 'ResizeBilinear ResizeBilinearGrad',
      shapes: [[1, 3, 3, 2]],
      fn: (x) => tf.image.resizeBilinear(x as Tensor4D, [4, 5], aligned),
    },
    {
      covers: 'ResizeNearestNeighbor ResizeNearestNeighborGrad',
      shapes: [[1, 3, 3, 2]],
      fn: (x) => tf.image.resizeNearestNeighbor(x as Tensor4D, [5, 7], aligned),
    },
  ]),
];
