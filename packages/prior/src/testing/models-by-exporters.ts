/** Models in the shapes that exporters and users bring: residual networks, two-tower models, transformers, broken exports. */
import { buildGraph, type ModelSpec, type ModelTensor } from './model-builder.js';
import { CLASSES, FEATURES, randomTensor, smallNet } from './models.js';

const positive = (tensor: ModelTensor): ModelTensor => ({
  ...tensor,
  data: Float32Array.from(tensor.data as Float32Array, (value) => Math.abs(value) + 0.5),
});
const integers = (name: string, values: number[]): ModelTensor => ({
  name,
  dims: [values.length],
  data: BigInt64Array.from(values.map(BigInt)),
});

/** As torch.onnx.export writes a small ResNet: BatchNormalization, a residual, slashes in names, symbolic dimensions. */
export function residualNet(): ModelSpec {
  const width = 8;
  const normalisation = (name: string, seed: number) => [
    positive(randomTensor(`${name}.weight`, [width], seed)),
    randomTensor(`${name}.bias`, [width], seed + 1),
    randomTensor(`${name}.running_mean`, [width], seed + 2),
    positive(randomTensor(`${name}.running_var`, [width], seed + 3)),
  ];
  const norm = (input: string, name: string, output: string) => ({
    op: 'BatchNormalization',
    name: `/${name}/BatchNormalization`,
    inputs: [input, `${name}.weight`, `${name}.bias`, `${name}.running_mean`, `${name}.running_var`],
    outputs: [output],
    attributes: { epsilon: { float: 1e-5 } },
  });
  return {
    opset: 18,
    inputs: [{ name: 'input', shape: ['batch_size', 3, 16, 16] }],
    outputs: [{ name: 'output', shape: ['batch_size', CLASSES] }],
    nodes: [
      {
        op: 'Conv',
        name: '/conv1/Conv',
        inputs: ['input', 'conv1.weight'],
        outputs: ['/conv1/Conv_output_0'],
        attributes: { kernel_shape: [3, 3], pads: [1, 1, 1, 1], strides: [2, 2] },
      },
      norm('/conv1/Conv_output_0', 'bn1', '/bn1/output_0'),
      { op: 'Relu', inputs: ['/bn1/output_0'], outputs: ['/relu/Relu_output_0'] },
      {
        op: 'Conv',
        inputs: ['/relu/Relu_output_0', 'conv2.weight'],
        outputs: ['/conv2/Conv_output_0'],
        attributes: { kernel_shape: [3, 3], pads: [1, 1, 1, 1] },
      },
      norm('/conv2/Conv_output_0', 'bn2', '/bn2/output_0'),
      { op: 'Add', inputs: ['/bn2/output_0', '/relu/Relu_output_0'], outputs: ['/Add_output_0'] },
      { op: 'GlobalAveragePool', inputs: ['/Add_output_0'], outputs: ['/avgpool/output_0'] },
      {
        op: 'Flatten',
        name: '/Flatten',
        inputs: ['/avgpool/output_0'],
        outputs: ['/Flatten_output_0'],
        attributes: { axis: 1 },
      },
      {
        op: 'Gemm',
        name: '/fc/Gemm',
        inputs: ['/Flatten_output_0', 'fc.weight', 'fc.bias'],
        outputs: ['output'],
        attributes: { transB: 1 },
      },
    ],
    tensors: [
      randomTensor('conv1.weight', [width, 3, 3, 3], 11),
      randomTensor('conv2.weight', [width, width, 3, 3], 12),
      ...normalisation('bn1', 20),
      ...normalisation('bn2', 30),
      randomTensor('fc.weight', [CLASSES, width], 13),
      randomTensor('fc.bias', [CLASSES], 14),
    ],
  };
}

/** Images and token ids, each with an output of its own, and one that needs both. */
export function twoTowers(): ModelSpec {
  const images = smallNet();
  return {
    ...images,
    inputs: [...images.inputs, { name: 'input_ids', type: 'int64', shape: ['N', 7] }],
    outputs: [
      { name: 'features', shape: ['N', FEATURES] },
      { name: 'text', shape: ['N', 7] },
      { name: 'similarity', shape: ['N', 1] },
    ],
    nodes: [
      ...images.nodes,
      { op: 'Cast', inputs: ['input_ids'], outputs: ['text'], attributes: { to: 1 } },
      { op: 'ReduceSum', inputs: ['text', 'lastAxis'], outputs: ['textSum'] },
      { op: 'ReduceSum', inputs: ['features', 'lastAxis'], outputs: ['imageSum'] },
      { op: 'Mul', inputs: ['textSum', 'imageSum'], outputs: ['similarity'] },
    ],
    tensors: [...(images.tensors ?? []), integers('lastAxis', [1])],
  };
}

/** [N, tokens, m]: the positions of the feature map as tokens. */
export function tokenNet(): ModelSpec {
  const net = smallNet();
  return {
    ...net,
    outputs: [{ name: 'tokens', shape: ['N', 'tokens', FEATURES] }],
    nodes: [
      ...net.nodes,
      { op: 'Reshape', inputs: ['map', 'tokenShape'], outputs: ['sequence'] },
      { op: 'Transpose', inputs: ['sequence'], outputs: ['tokens'], attributes: { perm: [0, 2, 1] } },
    ],
    tensors: [...(net.tensors ?? []), integers('tokenShape', [0, FEATURES, -1])],
  };
}

/** The feature map channels-last, as a model converted from TensorFlow gives it. */
export function mapChannelsLast(): ModelSpec {
  const net = smallNet({ layout: 'nhwc' });
  return {
    ...net,
    outputs: [{ name: 'mapLast' }],
    nodes: [
      ...net.nodes,
      { op: 'Transpose', inputs: ['map'], outputs: ['mapLast'], attributes: { perm: [0, 2, 3, 1] } },
    ],
  };
}

/** Weights and activations in float16 or float64. */
export function otherPrecision(type: 'float16' | 'float64'): ModelSpec {
  const data = type === 'float64' ? Float64Array.from([0.5]) : Uint16Array.from([0x3800]);
  return {
    inputs: [{ name: 'images', type, shape: ['N', 3, 4, 4] }],
    outputs: [{ name: 'flat', type, shape: ['N', 48] }],
    nodes: [
      { op: 'Mul', inputs: ['images', 'half'], outputs: ['scaled'] },
      { op: 'Flatten', inputs: ['scaled'], outputs: ['flat'] },
    ],
    tensors: [{ name: 'half', dims: [1], data }],
  };
}

/** Declares a dynamic batch, and reshapes to a batch of 1 inside. */
export function secretlyBatchOne(): ModelSpec {
  const net = smallNet();
  return {
    ...net,
    nodes: [...net.nodes.slice(0, -1), { op: 'Reshape', inputs: ['features', 'one'], outputs: ['logits'] }],
    outputs: [{ name: 'logits' }],
    tensors: [...(net.tensors ?? []), integers('one', [1, FEATURES])],
  };
}

/** Normalises by the batch's own statistics, as a model exported in training mode does. */
export function trainingMode(): ModelSpec {
  const net = smallNet();
  return {
    ...net,
    outputs: [{ name: 'centred', shape: ['N', FEATURES] }],
    nodes: [
      ...net.nodes,
      { op: 'ReduceMean', inputs: ['features'], outputs: ['batchMean'], attributes: { axes: [0] } },
      { op: 'Sub', inputs: ['features', 'batchMean'], outputs: ['centred'] },
    ],
  };
}

/** Outputs that cannot be embeddings, beside one that can. */
export function oddOutputs(): ModelSpec {
  const net = smallNet();
  return {
    ...net,
    outputs: [
      { name: 'logits', shape: ['N', CLASSES] },
      { name: 'total' },
      { name: 'class', type: 'int64' },
      { name: 'zero' },
      { name: 'fixed' },
      { name: 'infinite' },
    ],
    nodes: [
      ...net.nodes,
      { op: 'ReduceSum', inputs: ['logits'], outputs: ['total'], attributes: { keepdims: 0 } },
      { op: 'ArgMax', inputs: ['logits'], outputs: ['class'], attributes: { axis: 1 } },
      { op: 'Sub', inputs: ['features', 'features'], outputs: ['zero'] },
      { op: 'Identity', inputs: ['headBias'], outputs: ['fixed'] },
      { op: 'Div', inputs: ['features', 'zero'], outputs: ['infinite'] },
    ],
  };
}

/** A branch whose subgraphs read values of the graph around them. */
export function branching(): ModelSpec {
  const net = smallNet();
  const branch = (name: string, op: string) =>
    buildGraph({
      inputs: [],
      outputs: [{ name }],
      nodes: [{ op, inputs: ['features'], outputs: [name] }],
    });
  return {
    ...net,
    outputs: [...net.outputs, { name: 'chosen' }],
    nodes: [
      ...net.nodes,
      {
        op: 'If',
        inputs: ['condition'],
        outputs: ['chosen'],
        attributes: {
          then_branch: { graph: branch('same', 'Identity') },
          else_branch: { graph: branch('negated', 'Neg') },
        },
      },
      { op: 'Cast', inputs: ['truth'], outputs: ['condition'], attributes: { to: 9 } },
    ],
    tensors: [...(net.tensors ?? []), { name: 'truth', dims: [], data: Float32Array.from([1]) }],
  };
}
