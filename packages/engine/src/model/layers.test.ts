/** Layers of image models, each exported alone for any batch size, against what TF.js computes. */
import type { Tensor } from '@tensorflow/tfjs-core';
import * as ort from 'onnxruntime-node';
import { beforeAll, expect, it } from 'vitest';
import { numbers } from '../testing/compare.js';
import { filesOf, seedWeights, writeLayersModel } from '../testing/models.js';
import { tf } from '../tf.js';
import { loadModel } from './load.js';

type Layer = Parameters<ReturnType<typeof tf.sequential>['add']>[0];

const { layers } = tf;
const SIDES = [8, 8, 3];
const BATCH = 3;

const ACTIVATIONS = [
  ...(['elu', 'hardSigmoid', 'linear', 'relu', 'relu6', 'selu', 'sigmoid', 'softmax', 'softplus'] as const),
  ...(['softsign', 'tanh', 'swish', 'mish', 'gelu'] as const),
];

const rows = () => layers.reshape({ targetShape: [16, 12] });

const CASES: Record<string, () => Layer[]> = {
  ...Object.fromEntries(
    ACTIVATIONS.map((activation) => [
      `conv2d with ${activation}`,
      () => [layers.conv2d({ filters: 4, kernelSize: 3, activation })],
    ]),
  ),
  'conv2d, dilated': () => [layers.conv2d({ filters: 4, kernelSize: 3, dilationRate: 2 })],
  'conv2d, channels first': () => [layers.conv2d({ filters: 4, kernelSize: 3, dataFormat: 'channelsFirst' })],
  conv2dTranspose: () => [layers.conv2dTranspose({ filters: 4, kernelSize: 3, strides: 2, padding: 'same' })],
  depthwiseConv2d: () => [layers.depthwiseConv2d({ kernelSize: 3, depthMultiplier: 2, padding: 'same' })],
  separableConv2d: () => [layers.separableConv2d({ filters: 4, kernelSize: 3 })],
  conv1d: () => [rows(), layers.conv1d({ filters: 4, kernelSize: 3 })],
  averagePooling2d: () => [layers.averagePooling2d({ poolSize: 3, strides: 2, padding: 'same' })],
  maxPooling2d: () => [layers.maxPooling2d({ poolSize: 3, strides: 2, padding: 'same' })],
  maxPooling1d: () => [rows(), layers.maxPooling1d({ poolSize: 2 })],
  globalMaxPooling2d: () => [layers.globalMaxPooling2d({})],
  'batchNormalization of vectors': () => [layers.flatten(), layers.batchNormalization()],
  'layerNormalization of maps': () => [layers.layerNormalization()],
  'layerNormalization of tokens': () => [rows(), layers.layerNormalization()],
  prelu: () => [layers.prelu()],
  leakyReLU: () => [layers.leakyReLU()],
  thresholdedReLU: () => [layers.thresholdedReLU({ theta: 0.2 })],
  upSampling2d: () => [layers.upSampling2d({ size: [2, 3] })],
  'upSampling2d, bilinear': () => [layers.upSampling2d({ size: [2, 3], interpolation: 'bilinear' })],
  zeroPadding2d: () => [
    layers.zeroPadding2d({
      padding: [
        [1, 2],
        [0, 1],
      ],
    }),
  ],
  cropping2D: () => [
    layers.cropping2D({
      cropping: [
        [1, 1],
        [2, 0],
      ],
    }),
  ],
  permute: () => [layers.permute({ dims: [3, 1, 2] })],
  repeatVector: () => [layers.flatten(), layers.repeatVector({ n: 3 })],
  timeDistributed: () => [rows(), layers.timeDistributed({ layer: layers.dense({ units: 3 }) })],
  rescaling: () => [layers.rescaling({ scale: 2, offset: -1 })],
  'noise and dropout': () => [
    layers.gaussianNoise({ stddev: 1 }),
    layers.dropout({ rate: 0.5 }),
    layers.alphaDropout({ rate: 0.5 }),
  ],
};

beforeAll(() => tf.setBackend('cpu'));

it.each(Object.entries(CASES))('%s', async (_name, make) => {
  const model = tf.sequential({ layers: [layers.inputLayer({ inputShape: SIDES }), ...make()] });
  seedWeights(model, 11);
  const loaded = await loadModel(filesOf(await writeLayersModel(model)));
  const session = await ort.InferenceSession.create(loaded.toOnnx());
  const data = numbers(5, BATCH * 192);
  const made = await session.run({ [loaded.input.name]: new ort.Tensor('float32', data, [BATCH, ...SIDES]) });
  const wanted = model.predict(tf.tensor(data, [BATCH, ...SIDES])) as Tensor;
  const result = made[loaded.outputs[0]!]!;
  expect(result.dims).toEqual(wanted.shape);
  for (const [index, value] of wanted.dataSync().entries())
    expect(Math.abs(value - (result.data[index] as number))).toBeLessThan(1e-4);
});
