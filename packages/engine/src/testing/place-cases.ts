/** For tests: ops about places, resizing, and what only shows at the edges of other ops. */
import type { Tensor4D } from '@tensorflow/tfjs-core';
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
