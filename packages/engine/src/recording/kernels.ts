/** Which of TF.js's ops can be recorded, with the order of their inputs and the shape of their results. */
import type { NamedTensorInfoMap, TensorInfo } from '@tensorflow/tfjs-core';
import type { Attributes } from '../graph/graph.js';
import { COUNTER_UNIFORM } from '../ops/random.js';
import { tf } from '../tf.js';
import { BACKEND, type RecordingBackend } from './backend.js';
import { FUSED_KERNELS, type RecordPart, recordElementwiseNorm, recordFused } from './fused.js';
import * as shapes from './shapes.js';

interface Kernel {
  /** Names of the inputs in order; `all` where TF.js hands them over as a list. */
  inputs: readonly string[] | 'all';
  infer: shapes.Inference;
}

const unary = ['x'] as const;
const binary = ['a', 'b'] as const;

const each = (names: string, kernel: Kernel): [string, Kernel][] =>
  names.split(' ').map((name) => [name, kernel]);

const toInt = (dtype: string) => (dtype === 'bool' ? 'int32' : dtype);

export const KERNELS: ReadonlyMap<string, Kernel> = new Map<string, Kernel>([
  ...each(
    'Abs Acos Acosh Asin Asinh Atan Atanh Ceil ClipByValue Cos Cosh Elu Erf Exp Expm1 Floor Identity LeakyRelu Log Log1p LogicalNot Neg OnesLike Reciprocal Relu Relu6 Round Rsqrt Selu Sigmoid Sign Sin Sinh Softplus Sqrt Square Step Tan Tanh ZerosLike Cumprod Cumsum',
    { inputs: unary, infer: shapes.sameAs(0) },
  ),
  ...each('IsFinite IsInf IsNan', { inputs: unary, infer: ([x]) => [{ shape: x!.shape, dtype: 'bool' }] }),
  ...each('Softmax', { inputs: ['logits'], infer: shapes.sameAs(0) }),
  ...each('Add Atan2 FloorDiv Maximum Minimum Mod Multiply Pow RealDiv SquaredDifference Sub', {
    inputs: binary,
    infer: shapes.broadcast(),
  }),
  ...each('Equal NotEqual Greater GreaterEqual Less LessEqual LogicalAnd LogicalOr', {
    inputs: binary,
    infer: shapes.broadcast('bool'),
  }),
  ...each('Sum Prod', { inputs: unary, infer: shapes.reduction(toInt) }),
  ...each('Mean', { inputs: unary, infer: shapes.reduction(() => 'float32') }),
  ...each('Max Min All Any', { inputs: unary, infer: shapes.reduction() }),
  ...each('ArgMax ArgMin', { inputs: unary, infer: shapes.argReduction }),
  ['AddN', { inputs: 'all', infer: shapes.sameAs(0) }],
  ['AvgPool', { inputs: unary, infer: shapes.pool }],
  ['AvgPoolGrad', { inputs: ['dy', 'input'], infer: shapes.sameAs(1) }],
  ['BatchToSpaceND', { inputs: unary, infer: shapes.batchToSpace }],
  ['BitwiseAnd', { inputs: binary, infer: shapes.broadcast() }],
  ['BatchMatMul', { inputs: binary, infer: shapes.matMul }],
  ['Cast', { inputs: unary, infer: ([x], { dtype }) => [{ shape: x!.shape, dtype: dtype as string }] }],
  ['Concat', { inputs: 'all', infer: shapes.concat }],
  ['Conv2D', { inputs: ['x', 'filter'], infer: shapes.conv }],
  ['Conv2DBackpropFilter', { inputs: ['x', 'dy'], infer: shapes.given('filterShape') }],
  ['Conv2DBackpropInput', { inputs: ['dy', 'filter'], infer: shapes.given('inputShape') }],
  [
    COUNTER_UNIFORM,
    {
      inputs: ['key', 'counter'],
      infer: (_, { shape }) => [{ shape: shape as number[], dtype: 'float32' }],
    },
  ],
  ['DepthwiseConv2dNative', { inputs: ['x', 'filter'], infer: shapes.depthwise }],
  ['DepthwiseConv2dNativeBackpropFilter', { inputs: ['x', 'dy'], infer: shapes.given('filterShape') }],
  ['DepthwiseConv2dNativeBackpropInput', { inputs: ['dy', 'filter'], infer: shapes.given('inputShape') }],
  ['DepthToSpace', { inputs: unary, infer: shapes.depthToSpace }],
  ['Einsum', { inputs: 'all', infer: shapes.einsum }],
  ['EluGrad', { inputs: ['dy', 'y'], infer: shapes.sameAs(0) }],
  ['ExpandDims', { inputs: ['input'], infer: shapes.expandDims }],
  [
    'Fill',
    {
      inputs: [],
      infer: (_, { shape, dtype }) => [{ shape: shape as number[], dtype: (dtype as string) ?? 'float32' }],
    },
  ],
  ['FusedBatchNorm', { inputs: ['x', 'mean', 'variance', 'offset', 'scale'], infer: shapes.sameAs(0) }],
  ['FlipLeftRight', { inputs: ['image'], infer: shapes.sameAs(0) }],
  ['GatherNd', { inputs: ['params', 'indices'], infer: shapes.gatherNd }],
  ['GatherV2', { inputs: ['x', 'indices'], infer: shapes.gather }],
  ['LinSpace', { inputs: [], infer: (_, { num }) => [{ shape: [num as number], dtype: 'float32' }] }],
  ['LRN', { inputs: unary, infer: shapes.sameAs(0) }],
  ['LRNGrad', { inputs: ['x', 'y', 'dy'], infer: shapes.sameAs(0) }],
  ['MaxPool', { inputs: unary, infer: shapes.pool }],
  ['MaxPoolGrad', { inputs: ['dy', 'input', 'output'], infer: shapes.sameAs(1) }],
  ['MirrorPad', { inputs: unary, infer: shapes.pad }],
  ['OneHot', { inputs: ['indices'], infer: shapes.oneHot }],
  ['Pack', { inputs: 'all', infer: shapes.pack }],
  ['PadV2', { inputs: unary, infer: shapes.pad }],
  ['Prelu', { inputs: ['x', 'alpha'], infer: shapes.sameAs(0) }],
  ['Range', { inputs: [], infer: shapes.range }],
  ['Reshape', { inputs: unary, infer: shapes.reshape }],
  ['ResizeBilinear', { inputs: ['images'], infer: shapes.resize }],
  ['ResizeBilinearGrad', { inputs: ['images', 'dy'], infer: shapes.sameAs(0) }],
  ['ResizeNearestNeighbor', { inputs: ['images'], infer: shapes.resize }],
  ['ResizeNearestNeighborGrad', { inputs: ['images', 'dy'], infer: shapes.sameAs(0) }],
  ['Reverse', { inputs: unary, infer: shapes.sameAs(0) }],
  [
    'ScatterNd',
    {
      inputs: ['indices', 'updates'],
      infer: ([, updates], { shape }) => [{ shape: shape as number[], dtype: updates!.dtype }],
    },
  ],
  ['Select', { inputs: ['condition', 't', 'e'], infer: shapes.select }],
  ['Slice', { inputs: unary, infer: shapes.slice }],
  ['SpaceToBatchND', { inputs: unary, infer: shapes.spaceToBatch }],
  ['SplitV', { inputs: unary, infer: shapes.split }],
  ['StridedSlice', { inputs: unary, infer: shapes.stridedSlice }],
  ['TensorScatterUpdate', { inputs: ['tensor', 'indices', 'updates'], infer: shapes.sameAs(0) }],
  ['Tile', { inputs: unary, infer: shapes.tile }],
  ['TopK', { inputs: unary, infer: shapes.topK }],
  ['Transpose', { inputs: unary, infer: shapes.transposition }],
  ['Unpack', { inputs: ['value'], infer: shapes.unpack }],
  [
    'UnsortedSegmentSum',
    {
      inputs: ['x', 'segmentIds'],
      infer: ([x, ids], { numSegments }) => [
        { shape: [numSegments as number, ...x!.shape.slice(ids!.shape.length)], dtype: x!.dtype },
      ],
    },
  ],
]);

function record(
  backend: RecordingBackend,
  op: string,
  kernel: Kernel,
  named: NamedTensorInfoMap,
  attributes: Attributes,
) {
  const given: (TensorInfo | undefined)[] =
    kernel.inputs === 'all'
      ? Object.values(named as Record<string, TensorInfo>)
      : kernel.inputs.map((name) => named[name] as TensorInfo | undefined);
  const tensors = given.filter((tensor): tensor is TensorInfo => tensor !== undefined && tensor !== null);
  const outputs = kernel.infer(tensors, attributes);
  // Which optional inputs are there decides what the others mean.
  const present = kernel.inputs === 'all' ? null : kernel.inputs.filter((name) => named[name]);
  const made = backend.tape!.add(
    op,
    tensors.map((tensor) => backend.valueBehind(tensor, op)),
    present && present.length < kernel.inputs.length ? { ...attributes, present } : attributes,
    outputs,
  );
  return made.length === 1 && op !== 'SplitV' && op !== 'Unpack' ? made[0]! : made;
}

export const RECORDED: readonly string[] = [...KERNELS.keys(), ...FUSED_KERNELS];

let registered: RecordingBackend | null = null;

/** Registers the backend and its kernels with TF.js, once. */
export function registerRecording(create: () => RecordingBackend): RecordingBackend {
  if (registered) return registered;
  const backend = create();
  tf.registerBackend(BACKEND, () => backend);
  const recordPart: RecordPart = (op, parts, attributes = {}) => {
    const made = record(backend, op, KERNELS.get(op)!, parts, attributes);
    return Array.isArray(made) ? made[0]! : made;
  };
  for (const [kernelName, kernel] of KERNELS)
    tf.registerKernel({
      kernelName,
      backendName: BACKEND,
      kernelFunc: ({ inputs, attrs }) => {
        const attributes = (attrs ?? {}) as Attributes;
        if (kernelName !== 'FusedBatchNorm' || inputs.mean!.shape.length === 1)
          return record(backend, kernelName, kernel, inputs, attributes);
        const dataId = backend.write(Float32Array.of(attributes.varianceEpsilon as number), [], 'float32');
        return recordElementwiseNorm(inputs, { dataId, shape: [], dtype: 'float32' }, recordPart);
      },
    });
  for (const kernelName of FUSED_KERNELS)
    tf.registerKernel({
      kernelName,
      backendName: BACKEND,
      kernelFunc: ({ inputs, attrs }) =>
        recordFused(kernelName, inputs, (attrs ?? {}) as Attributes, recordPart),
    });
  registered = backend;
  return backend;
}
