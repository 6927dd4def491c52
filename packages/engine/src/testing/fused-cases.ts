/** For tests: TF.js's fused kernels, with every activation that they have. */
import type { Tensor, Tensor1D, Tensor3D, Tensor4D } from '@tensorflow/tfjs-core';
import { tf } from '../tf.js';
import type { OpCase } from './op-case.js';

const ACTIVATIONS = ['linear', 'relu', 'relu6', 'elu', 'sigmoid', 'leakyrelu', 'prelu'] as const;

/** Without an activation's own parameters where it has none. */
const activation = (name: (typeof ACTIVATIONS)[number], slopes: Tensor) => ({
  activation: name,
  ...(name === 'prelu' ? { preluActivationWeights: slopes } : {}),
  ...(name === 'leakyrelu' ? { leakyreluAlpha: 0.3 } : {}),
});

export const FUSED_CASES: OpCase[] = [
  ...ACTIVATIONS.map((name): OpCase => {
    const fn = (x: Tensor, filter: Tensor, bias: Tensor, slopes: Tensor) =>
      tf.fused.conv2d({
        x: x as Tensor4D,
        filter: filter as Tensor4D,
        bias: bias as Tensor1D,
        strides: 2,
        pad: 'same',
        ...activation(name, slopes),
      });
    return {
      covers: `FusedConv2D ${name}`,
      shapes: [[2, 7, 6, 4], [3, 3, 4, 5], [5], [1, 1, 5]],
      fn: fn as OpCase['fn'],
      forwardOnly: true,
    };
  }),
  {
    covers: 'FusedDepthwiseConv2D',
    shapes: [[2, 7, 6, 4], [3, 3, 4, 1], [4]],
    fn: (x, filter, bias) =>
      tf.fused.depthwiseConv2d({
        x: x as Tensor4D,
        filter: filter as Tensor4D,
        bias: bias as Tensor1D,
        strides: 1,
        pad: 'valid',
        activation: 'relu6',
      }),
    forwardOnly: true,
  },
  {
    covers: '_FusedMatMul',
    shapes: [[2, 4, 3], [2, 5, 4], [5]],
    fn: (a, b, bias) =>
      tf.fused.matMul({
        a: a as Tensor3D,
        b: b as Tensor3D,
        bias: bias!,
        transposeA: true,
        transposeB: true,
        activation: 'sigmoid',
      }),
    forwardOnly: true,
  },
];
