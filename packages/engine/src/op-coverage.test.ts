/** Every recorded op against TF.js's own CPU backend, forward and backward, and the table of them in the README. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Tensor, Tensor1D, Tensor2D, Tensor4D } from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { KERNELS, RECORDED } from './recording/kernels.js';
import { record } from './recording/record.js';
import type { StepFunction, TensorSpec } from './tensors.js';
import { numbers, onBothEngines, tensorOf, worstOf } from './testing/compare.js';
import { coverageTable, KERNEL_NAMES, UNCOVERED, withTable } from './testing/coverage-table.js';
import { FUSED_CASES } from './testing/fused-cases.js';
import { NETWORK_CASES } from './testing/network-cases.js';
import type { OpCase as Case } from './testing/op-case.js';
import { PLACE_CASES } from './testing/place-cases.js';
import { tf } from './tf.js';

const image = [2, 7, 6, 4];
const as4d = (x: Tensor) => x as Tensor4D;

const unary = (
  covers: string,
  fn: (x: Tensor) => Tensor,
  range?: [number, number],
  forwardOnly = false,
): Case => ({
  covers,
  shapes: [[3, 5]],
  fn: (x) => fn(x!),
  ...(range ? { range } : {}),
  forwardOnly,
});
const binary = (
  covers: string,
  fn: (a: Tensor, b: Tensor) => Tensor,
  range?: [number, number],
  forwardOnly = false,
): Case => ({
  covers,
  shapes: [
    [2, 3, 5],
    [3, 1],
  ],
  fn: (a, b) => fn(a!, b!),
  ...(range ? { range } : {}),
  forwardOnly,
});
const float = (x: Tensor) => tf.cast(x, 'float32');
const integer = (x: Tensor) => tf.cast(x, 'int32');

const CASES: Case[] = [
  ...PLACE_CASES,
  ...FUSED_CASES,
  ...NETWORK_CASES,
  unary('Abs', tf.abs),
  unary('Acos', tf.acos, [-0.9, 0.9]),
  unary('Acosh', tf.acosh, [1.1, 3]),
  unary('Asin', tf.asin, [-0.9, 0.9]),
  unary('Asinh', tf.asinh),
  unary('Atan', tf.atan),
  unary('Atanh', tf.atanh, [-0.9, 0.9]),
  unary('Ceil', tf.ceil, [-3, 3]),
  unary('ClipByValue', (x) => tf.clipByValue(x, -0.5, 0.4)),
  unary('Cos', tf.cos),
  unary('Cosh', tf.cosh),
  unary('Elu EluGrad', tf.elu),
  unary('Erf', tf.erf),
  unary('Exp', tf.exp),
  unary('Expm1', tf.expm1),
  unary('Floor', tf.floor, [-3, 3]),
  unary('LeakyRelu', (x) => tf.leakyRelu(x, 0.3)),
  unary('Log', tf.log, [0.1, 3]),
  unary('Log1p', tf.log1p, [-0.5, 3]),
  unary('Neg', tf.neg),
  unary('Reciprocal', tf.reciprocal, [0.2, 2]),
  unary('Relu Step', tf.relu),
  unary('Relu6', tf.relu6, [-4, 9]),
  unary('Round', tf.round, [-3, 3]),
  unary('Rsqrt', tf.rsqrt, [0.2, 2]),
  unary('Selu', tf.selu),
  unary('Sigmoid', tf.sigmoid),
  unary('Sign', tf.sign),
  unary('Sin', tf.sin),
  unary('Sinh', tf.sinh),
  unary('Softplus', tf.softplus),
  unary('Sqrt', tf.sqrt, [0.2, 2]),
  unary('Square', tf.square),
  unary('Step', (x) => tf.step(x, 0.25)),
  unary('Tan', tf.tan),
  unary('Tanh', tf.tanh),
  unary('OnesLike ZerosLike Identity', (x) => tf.add(tf.add(tf.onesLike(x), tf.zerosLike(x)), tf.clone(x))),
  unary('IsNan', (x) => float(tf.isNaN(tf.log(x))), [-1, 1], true),
  unary('IsInf', (x) => float(tf.isInf(tf.div(x, tf.floor(tf.abs(x))))), [-2, 2], true),
  unary('IsFinite', (x) => float(tf.isFinite(tf.log(x))), [-1, 1], true),
  unary('LogicalNot Greater', (x) => float(tf.logicalNot(tf.greater(x, 0))), undefined, true),
  unary('Softmax', (x) => tf.softmax(x)),
  unary('LogSoftmax', (x) => tf.logSoftmax(x)),
  unary('Cumsum', (x) => tf.cumsum(x, 1, true, true)),
  binary('Add', tf.add),
  binary('Sub', tf.sub),
  binary('Multiply', tf.mul),
  binary('RealDiv', tf.div, [0.3, 2]),
  {
    covers: 'Maximum GreaterEqual Less',
    shapes: [
      [3, 5],
      [3, 5],
    ],
    fn: (a, b) => tf.maximum(a!, b!),
  },
  {
    covers: 'Minimum LessEqual Greater',
    shapes: [
      [3, 5],
      [3, 5],
    ],
    fn: (a, b) => tf.minimum(a!, b!),
  },
  binary('Pow', tf.pow, [0.3, 2]),
  {
    covers: 'SquaredDifference',
    shapes: [
      [3, 5],
      [3, 5],
    ],
    fn: (a, b) => tf.squaredDifference(a!, b!),
  },
  binary('Mod', tf.mod, [-3, 3]),
  binary('FloorDiv', (a, b) => float(tf.floorDiv(integer(a), tf.add(integer(b), 9))), [-8, 8], true),
  binary('Equal', (a, b) => float(tf.equal(tf.round(a), tf.round(b))), [-2, 2], true),
  binary('NotEqual', (a, b) => float(tf.notEqual(tf.round(a), tf.round(b))), [-2, 2], true),
  binary('LogicalAnd', (a, b) => float(tf.logicalAnd(tf.greater(a, 0), tf.less(b, 0))), undefined, true),
  binary(
    'LogicalOr',
    (a, b) => float(tf.logicalOr(tf.greaterEqual(a, 0), tf.lessEqual(b, 0))),
    undefined,
    true,
  ),
  {
    covers: 'AddN',
    shapes: [
      [2, 3],
      [2, 3],
      [2, 3],
    ],
    fn: (...xs) => tf.addN(xs),
  },
  {
    covers: 'Prelu',
    shapes: [
      [3, 5],
      [3, 5],
    ],
    fn: (x, a) => tf.prelu(x!, a!),
  },
  unary('Sum', (x) => tf.sum(x, 1)),
  unary('Mean', (x) => tf.mean(x, 0, true)),
  unary('Max', (x) => tf.max(x, 1)),
  unary('Min', (x) => tf.min(x, 0)),
  unary('Prod', (x) => tf.prod(x, 1), undefined, true),
  unary('All', (x) => float(tf.all(tf.greater(x, -0.7), 1)), undefined, true),
  unary('Any', (x) => float(tf.any(tf.greater(x, 0.7), 1)), undefined, true),
  unary('ArgMax', (x) => float(tf.argMax(x, 1)), undefined, true),
  unary('ArgMin', (x) => float(tf.argMin(x, 0)), undefined, true),
  unary('Cast', (x) => float(integer(x)), [-3, 3], true),
  {
    covers: 'Concat',
    shapes: [
      [2, 3],
      [2, 4],
    ],
    fn: (a, b) => tf.concat([a!, b!], 1),
  },
  {
    covers: 'Pack',
    shapes: [
      [2, 3],
      [2, 3],
    ],
    fn: (a, b) => tf.stack([a!, b!], 1),
  },
  { covers: 'Unpack', shapes: [[3, 2]], fn: (x) => tf.mul(tf.unstack(x!, 0)[1]!, tf.unstack(x!, 0)[2]!) },
  {
    covers: 'SplitV',
    shapes: [[2, 6]],
    fn: (x) => tf.mul(tf.split(x!, 2, 1)[0]!, tf.split(x!, [3, 3], 1)[1]!),
  },
  { covers: 'Slice', shapes: [[3, 5]], fn: (x) => tf.slice(x!, [1, 2], [2, 2]) },
  {
    covers: 'StridedSlice',
    shapes: [[6, 5]],
    fn: (x) => tf.stridedSlice(x!, [5, 0], [0, 5], [-2, 2]),
    forwardOnly: true,
  },
  {
    covers: 'PadV2',
    shapes: [[2, 3]],
    fn: (x) =>
      tf.pad(
        x!,
        [
          [1, 0],
          [2, 1],
        ],
        0.5,
      ),
  },
  {
    covers: 'MirrorPad',
    shapes: [[3, 4]],
    fn: (x) =>
      tf.mirrorPad(
        x!,
        [
          [1, 1],
          [2, 1],
        ],
        'reflect',
      ),
    forwardOnly: true,
  },
  { covers: 'Tile', shapes: [[2, 3]], fn: (x) => tf.tile(x!, [2, 2]) },
  { covers: 'Reverse', shapes: [[2, 3, 4]], fn: (x) => tf.reverse(x!, [0, 2]) },
  { covers: 'Transpose', shapes: [[2, 3, 4]], fn: (x) => tf.transpose(x!, [2, 0, 1]) },
  { covers: 'Reshape ExpandDims', shapes: [[2, 6]], fn: (x) => tf.expandDims(tf.reshape(x!, [3, 4]), 1) },
  {
    covers: 'GatherV2 UnsortedSegmentSum',
    shapes: [[4, 3]],
    fn: (x) => tf.gather(x!, tf.tensor1d([2, 0, 2], 'int32'), 0),
  },
  { covers: 'OneHot', shapes: [[2, 4]], fn: (x) => tf.mul(tf.oneHot(tf.tensor1d([1, 3], 'int32'), 4), x!) },
  { covers: 'Range Fill', shapes: [[4]], fn: (x) => tf.add(tf.mul(tf.range(0, 4), x!), tf.fill([4], 2)) },
  {
    covers: 'Select',
    shapes: [
      [3, 4],
      [3, 4],
    ],
    fn: (a, b) => tf.where(tf.greater(tf.tensor(numbers(5, 12), [3, 4]), 0), a!, b!),
  },
  { covers: 'TopK', shapes: [[3, 6]], fn: (x) => tf.topk(x!, 2).values, forwardOnly: true },
  {
    covers: 'Einsum',
    shapes: [
      [2, 3, 4],
      [2, 4, 5],
    ],
    fn: (a, b) => tf.einsum('bij,bjk->bik', a!, b!),
    forwardOnly: true,
  },
  {
    covers: 'BatchMatMul',
    shapes: [
      [2, 3, 4],
      [2, 4, 5],
    ],
    fn: (a, b) => tf.matMul(a!, b!),
  },
  {
    covers: 'BatchMatMul',
    shapes: [
      [4, 3],
      [5, 4],
    ],
    fn: (a, b) => tf.matMul(a as Tensor2D, b as Tensor2D, true, true),
  },
  {
    covers: 'Conv2D Conv2DBackpropInput Conv2DBackpropFilter',
    shapes: [image, [3, 3, 4, 5]],
    fn: (x, w) => tf.conv2d(as4d(x!), as4d(w!), 1, 'same'),
  },
  {
    covers: 'Conv2D Conv2DBackpropInput Conv2DBackpropFilter',
    shapes: [image, [3, 3, 4, 5]],
    fn: (x, w) => tf.conv2d(as4d(x!), as4d(w!), 2, 1),
  },
  {
    covers: 'Conv2D Conv2DBackpropInput Conv2DBackpropFilter',
    shapes: [image, [3, 3, 4, 5]],
    fn: (x, w) => tf.conv2d(as4d(x!), as4d(w!), 2, 'same'),
  },
  {
    covers: 'Conv2D Conv2DBackpropInput Conv2DBackpropFilter',
    shapes: [image, [1, 1, 4, 5]],
    fn: (x, w) => tf.conv2d(as4d(x!), as4d(w!), 1, 'valid'),
  },
  {
    covers: 'Conv2D Conv2DBackpropInput Conv2DBackpropFilter',
    shapes: [image, [1, 1, 4, 5]],
    fn: (x, w) => tf.conv2d(as4d(x!), as4d(w!), 2, 'valid'),
  },
  {
    covers: 'Conv2D Conv2DBackpropInput',
    shapes: [image, [3, 3, 4, 5]],
    fn: (x, w) => tf.conv2d(as4d(x!), as4d(w!), 1, 'same', 'NHWC', 2),
    forwardOnly: true,
  },
  {
    covers: 'Conv2DBackpropInput',
    shapes: [
      [2, 3, 3, 5],
      [3, 3, 4, 5],
    ],
    fn: (x, w) => tf.conv2dTranspose(as4d(x!), as4d(w!), [2, 6, 6, 4], 2, 'same'),
  },
  {
    covers: 'DepthwiseConv2dNative DepthwiseConv2dNativeBackpropInput DepthwiseConv2dNativeBackpropFilter',
    shapes: [image, [3, 3, 4, 2]],
    fn: (x, w) => tf.depthwiseConv2d(as4d(x!), as4d(w!), 1, 'same'),
  },
  {
    covers: 'DepthwiseConv2dNative DepthwiseConv2dNativeBackpropInput DepthwiseConv2dNativeBackpropFilter',
    shapes: [image, [3, 3, 4, 1]],
    fn: (x, w) => tf.depthwiseConv2d(as4d(x!), as4d(w!), 2, 'same'),
  },
  { covers: 'MaxPool MaxPoolGrad', shapes: [image], fn: (x) => tf.maxPool(as4d(x!), 3, 2, 1, 'floor') },
  { covers: 'MaxPool MaxPoolGrad', shapes: [image], fn: (x) => tf.maxPool(as4d(x!), 2, 2, 'valid') },
  // Forward alone: TF.js's CPU gradient divides by the whole window, its forward by the part that lies in the image.
  { covers: 'AvgPool', shapes: [image], fn: (x) => tf.avgPool(as4d(x!), 3, 2, 'same'), forwardOnly: true },
  { covers: 'AvgPool AvgPoolGrad', shapes: [image], fn: (x) => tf.avgPool(as4d(x!), 2, 2, 'valid') },
  ...[
    { x: [16, 8, 8, 16], w: [3, 3, 16, 32], stride: 1 },
    { x: [16, 9, 7, 32], w: [3, 3, 32, 16], stride: 1 },
    { x: [32, 8, 8, 16], w: [3, 3, 16, 32], stride: 2 },
    { x: [16, 7, 7, 16], w: [3, 3, 16, 16], stride: 2 },
    { x: [16, 8, 8, 16], w: [1, 1, 16, 32], stride: 2 },
    { x: [16, 8, 8, 16], w: [1, 1, 16, 16], stride: 1 },
    { x: [16, 8, 8, 1], w: [3, 3, 1, 16], stride: 1 },
    { x: [16, 8, 8, 3], w: [3, 3, 3, 16], stride: 2 },
    { x: [5, 8, 8, 16], w: [3, 3, 16, 16], stride: 1 },
    // Padded alike on all sides, as PyTorch does, and a stride that leaves rows unseen.
    { x: [16, 8, 8, 16], w: [3, 3, 16, 32], stride: 2, pad: 1 },
    { x: [16, 7, 8, 32], w: [3, 3, 32, 16], stride: 2, pad: 1 },
    { x: [16, 9, 9, 16], w: [7, 7, 16, 16], stride: 2, pad: 3 },
    { x: [16, 9, 9, 16], w: [3, 3, 16, 16], stride: 2, pad: 0 },
    { x: [16, 8, 8, 16], w: [2, 2, 16, 16], stride: 2, pad: 0 },
    { x: [16, 8, 8, 16], w: [1, 1, 16, 16], stride: 2, pad: 0 },
  ].map(
    ({
      x,
      w,
      stride,
      pad = 'same',
    }: {
      x: number[];
      w: number[];
      stride: number;
      pad?: 'same' | number;
    }): Case => ({
      covers: 'Conv2D Conv2DBackpropInput Conv2DBackpropFilter',
      shapes: [x, w],
      // Whole blocks of channels, then what a network does with them.
      fn: (a, b) =>
        tf.mean(tf.relu(tf.mul(tf.conv2d(as4d(a!), as4d(b!), stride, pad), tf.range(1, w[3]! + 1))), [1, 2]),
    }),
  ),
  {
    covers: 'FusedBatchNorm',
    shapes: [image, [4], [4], [4], [4]],
    range: [0.2, 1],
    fn: (x, m, v, o, s) =>
      tf.batchNorm(as4d(x!), m as Tensor1D, v as Tensor1D, o as Tensor1D, s as Tensor1D, 1e-3),
  },
  {
    covers: 'ResizeBilinear',
    shapes: [[1, 4, 4, 2]],
    fn: (x) => tf.image.resizeBilinear(as4d(x!), [7, 6], false, true),
    forwardOnly: true,
  },
];

/** Loss: the result, weighted so that every element has a gradient of its own. */
function asStep({ fn, shapes, forwardOnly }: Case): StepFunction {
  return (_, batch) => {
    const inputs = shapes.map((_shape, index) => batch[`x${index}`]!);
    const weighted = (...xs: Tensor[]) => {
      const y = fn(...xs);
      return tf.sum(tf.mul(y, tf.tensor(numbers(99, y.size, 0.5, 1.5), y.shape)));
    };
    if (forwardOnly) return { state: {}, metrics: { y: fn(...inputs) } };
    const { value, grads } = tf.valueAndGrads(weighted as never)(inputs);
    return {
      state: {},
      metrics: {
        y: fn(...inputs),
        value,
        ...Object.fromEntries(grads.map((grad, index) => [`dx${index}`, grad])),
      },
    };
  };
}

function specsOf({ shapes }: Case): Record<string, TensorSpec> {
  return Object.fromEntries(
    shapes.map((shape, index) => [`x${index}`, { shape, dtype: 'float32' as const }]),
  );
}

describe('a compiled op gives the numbers of the TF.js CPU backend', () => {
  for (const [index, test] of CASES.entries())
    it(`${test.covers} (${index})`, async () => {
      const batch = Object.fromEntries(
        test.shapes.map((shape, at) => [
          `x${at}`,
          tensorOf(index * 10 + at + 1, shape, ...(test.range ?? [])),
        ]),
      );
      // On the blocked convolutions of this machine, and without them.
      for (const blocked of [true, false]) {
        const { compiled, eager } = await onBothEngines(asStep(test), {}, [batch], { blocked });
        const { key, difference } = worstOf(compiled.metrics, eager.metrics);
        expect(difference, `of ${key}`).toBeLessThan(1e-4);
      }
    });
});

/** The kernels that cases reach, by the ops of `fn` alone, and in what their gradients add. */
function reachedBy(cases: readonly Case[]): { forward: Set<string>; differentiated: Set<string> } {
  const opsOf = (test: Case, step: StepFunction) =>
    record((inputs) => step({}, inputs).metrics, { inputs: specsOf(test) }).nodes.map(({ op }) => op);
  const forward = new Set<string>();
  const differentiated = new Set<string>();
  for (const test of cases) {
    const alone = opsOf(test, asStep({ ...test, forwardOnly: true }));
    for (const op of [...alone, ...opsOf(test, asStep(test))]) forward.add(op);
    if (!test.forwardOnly) for (const op of alone) differentiated.add(op);
    // A fused kernel is recorded as what it stands for.
    for (const op of test.covers.split(' ')) if (RECORDED.includes(op) && !KERNELS.has(op)) forward.add(op);
  }
  return { forward, differentiated };
}

const reached = reachedBy(CASES);

it('every op that can be recorded is compared with TF.js', () => {
  expect(RECORDED.filter((op) => !reached.forward.has(op))).toEqual([]);
});

it('says of every kernel of TF.js whether it is covered', () => {
  const uncovered = KERNEL_NAMES.filter((name) => !RECORDED.includes(name));
  expect(
    Object.values(UNCOVERED)
      .flatMap(({ kernels }) => kernels.split(' '))
      .sort(),
  ).toEqual(uncovered.sort());
});

it('the table in the README is that of the cases', async () => {
  const path = new URL('../README.md', import.meta.url);
  const page = await readFile(path, 'utf8');
  const differentiated = (op: string) => reached.differentiated.has(op);
  const written = withTable(page, coverageTable({ cases: CASES, differentiated }));
  await expect(
    written,
    'packages/engine/README.md is behind the cases. Write it anew: npx vitest run packages/engine/src/op-coverage.test.ts -u',
  ).toMatchFileSnapshot(fileURLToPath(path));
});
