/** For tests: TF.js models as the files that TF.js and its converter write. */
import type { io } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import type { ModelFiles } from '../model/artifacts.js';
import { tf } from '../tf.js';
import { numbers } from './compare.js';

export interface WrittenModel {
  json: Record<string, unknown>;
  weights: Map<string, Uint8Array>;
}

export function filesOf({ json, weights }: WrittenModel): ModelFiles {
  const contents = new Map([['model.json', Buffer.from(JSON.stringify(json))], ...weights]);
  return new Map([...contents].map(([name, bytes]) => [name, async () => bytes]));
}

const SHARD_BYTES = 1000;

function shards(data: Uint8Array): Map<string, Uint8Array> {
  const count = Math.ceil(data.length / SHARD_BYTES);
  return new Map(
    Array.from({ length: count }, (_, index) => [
      `group1-shard${index + 1}of${count}.bin`,
      data.subarray(index * SHARD_BYTES, (index + 1) * SHARD_BYTES),
    ]),
  );
}

/** As `model.save` hands it to whoever stores it. */
export async function writeLayersModel(model: LayersModel): Promise<WrittenModel> {
  let written: io.ModelArtifacts | undefined;
  await model.save(
    tf.io.withSaveHandler(async (artifacts) => {
      written = artifacts;
      return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: 'JSON' } };
    }),
  );
  const weights = shards(new Uint8Array(written!.weightData as ArrayBuffer));
  const manifest = [{ paths: [...weights.keys()], weights: written!.weightSpecs }];
  return {
    json: { format: 'layers-model', modelTopology: written!.modelTopology, weightsManifest: manifest },
    weights,
  };
}

/** Every weight of the model gets seeded numbers: fresh batch norms and biases would hide what a conversion loses. */
export function seedWeights(model: LayersModel, seed: number): void {
  model.setWeights(
    model.getWeights().map(({ shape, size, dtype }, index) =>
      // Variances among them have to be positive.
      tf.tensor(numbers(seed + index, size, 0.05, 0.4), shape, dtype),
    ),
  );
}

interface GraphNode {
  name: string;
  op: string;
  input?: string[];
  attr?: Record<string, unknown>;
}

const base64 = (text: string) => Buffer.from(text).toString('base64');
const strings = (...texts: string[]) => ({ list: { s: texts.map(base64) } });
const integers = (...values: number[]) => ({ list: { i: values.map(String) } });
const constant = (name: string, dtype = 'DT_FLOAT'): GraphNode => ({
  name,
  op: 'Const',
  attr: { dtype: { type: dtype }, value: { tensor: { dtype, tensorShape: {} } } },
});

const fused = (activation: string) => ({
  fused_ops: strings('BiasAdd', activation),
  num_args: { i: '1' },
  epsilon: { f: 0 },
});
const convolution = (stride: number) => ({
  T: { type: 'DT_FLOAT' },
  strides: integers(1, stride, stride, 1),
  dilations: integers(1, 1, 1, 1),
  padding: { s: base64('SAME') },
  data_format: { s: base64('NHWC') },
});
const shrink = {
  begin_mask: { i: '0' },
  end_mask: { i: '0' },
  ellipsis_mask: { i: '0' },
  new_axis_mask: { i: '0' },
  shrink_axis_mask: { i: '1' },
};

/** A network of fused kernels, flattened as Keras's Flatten is converted: by sizes computed from the input's shape. */
const GRAPH: GraphNode[] = [
  {
    name: 'images',
    op: 'Placeholder',
    attr: {
      dtype: { type: 'DT_FLOAT' },
      shape: { shape: { dim: ['-1', '8', '8', '3'].map((size) => ({ size })) } },
    },
  },
  ...['filter', 'bias', 'spatial', 'shift', 'dense', 'offset'].map((name) => constant(name)),
  ...['zero', 'one', 'features'].map((name) => constant(name, 'DT_INT32')),
  {
    name: 'conv',
    op: '_FusedConv2D',
    input: ['images', 'filter', 'bias'],
    attr: { ...convolution(2), ...fused('Relu6') },
  },
  {
    name: 'depthwise',
    op: 'FusedDepthwiseConv2dNative',
    input: ['conv', 'spatial', 'shift'],
    attr: { ...convolution(1), ...fused('Elu') },
  },
  { name: 'shape', op: 'Shape', input: ['depthwise'], attr: { out_type: { type: 'DT_INT32' } } },
  { name: 'batch', op: 'StridedSlice', input: ['shape', 'zero', 'one', 'one'], attr: shrink },
  { name: 'sizes', op: 'Pack', input: ['batch', 'features'], attr: { axis: { i: '0' }, N: { i: '2' } } },
  { name: 'flat', op: 'Reshape', input: ['depthwise', 'sizes'] },
  {
    name: 'logits',
    op: '_FusedMatMul',
    input: ['flat', 'dense', 'offset'],
    attr: { transpose_a: { b: false }, transpose_b: { b: false }, ...fused('Relu') },
  },
  { name: 'probabilities', op: 'Softmax', input: ['logits'] },
];

const GRAPH_WEIGHTS: Record<string, number[]> = {
  filter: [3, 3, 3, 4],
  bias: [4],
  spatial: [3, 3, 4, 1],
  shift: [4],
  dense: [64, 5],
  offset: [5],
};

/** @param extra nodes behind the last one */
export function writeGraphModel(extra: GraphNode[] = []): WrittenModel {
  const floats = Object.entries(GRAPH_WEIGHTS).map(([name, shape], index) => ({
    spec: { name, shape, dtype: 'float32' },
    data: numbers(
      index,
      shape.reduce((product, side) => product * side, 1),
    ) as Float32Array | Int32Array,
  }));
  const sizes = Object.entries({ zero: [0], one: [1], features: 64 }).map(([name, value]) => ({
    spec: { name, shape: Array.isArray(value) ? [1] : [], dtype: 'int32' },
    data: Int32Array.of(...[value].flat()) as Float32Array | Int32Array,
  }));
  const all = [...floats, ...sizes];
  const data = Buffer.concat(all.map((weight) => Buffer.from(weight.data.buffer)));
  const weights = shards(data);
  return {
    json: {
      format: 'graph-model',
      modelTopology: { node: [...GRAPH, ...extra], versions: {} },
      weightsManifest: [{ paths: [...weights.keys()], weights: all.map(({ spec }) => spec) }],
    },
    weights,
  };
}
