/** TF.js models of both formats, exported and run by ONNX Runtime, against what TF.js computes itself. */
import type { Tensor } from '@tensorflow/tfjs-core';
import * as ort from 'onnxruntime-node';
import { expect, it } from 'vitest';
import { numbers } from '../testing/compare.js';
import {
  filesOf,
  seedWeights,
  type WrittenModel,
  writeGraphModel,
  writeLayersModel,
} from '../testing/models.js';
import { tf } from '../tf.js';
import { type ImageModel, loadModel, type ModelExportOptions } from './load.js';

/** Batch norm, depthwise, separable, pooling, a shortcut and two heads. */
function network() {
  const images = tf.input({ shape: [16, 16, 3], name: 'images' });
  const conv = (filters: number, name: string) =>
    tf.layers.conv2d({ filters, kernelSize: 3, padding: 'same', activation: 'relu', name });
  const first = tf.layers.batchNormalization({ name: 'norm' }).apply(conv(8, 'first').apply(images));
  const spatial = tf.layers.depthwiseConv2d({ kernelSize: 3, padding: 'same', name: 'spatial' }).apply(first);
  const sum = tf.layers
    .add({ name: 'sum' })
    .apply([first, tf.layers.reLU({ maxValue: 6 }).apply(spatial)] as never);
  const pooled = tf.layers.maxPooling2d({ poolSize: 2 }).apply(sum);
  const separable = tf.layers.separableConv2d({ filters: 6, kernelSize: 3, name: 'separable' }).apply(pooled);
  const flat = tf.layers.flatten({ name: 'flat' }).apply(separable);
  const kept = tf.layers.dropout({ rate: 0.5 }).apply(flat);
  const classes = tf.layers.dense({ units: 5, activation: 'softmax', name: 'classes' }).apply(kept);
  const features = tf.layers.globalAveragePooling2d({ name: 'features' }).apply(separable);
  const model = tf.model({ inputs: images, outputs: [classes, features] as never });
  seedWeights(model, 3);
  return model;
}

async function run(bytes: Uint8Array, images: Tensor): Promise<ort.InferenceSession.OnnxValueMapType> {
  const session = await ort.InferenceSession.create(bytes);
  const data = (await images.data()) as Float32Array;
  return session.run({ [session.inputNames[0]!]: new ort.Tensor('float32', data, images.shape) });
}

/** Largest difference over all outputs of the exported model, for batches of one and of three. */
async function difference(
  model: ImageModel,
  options: ModelExportOptions = {},
  batches = [1, 3],
): Promise<number> {
  const bytes = model.toOnnx(options);
  const sides = model.input.shape!.slice(1).map((side, axis) => side ?? options.image![axis]!);
  let worst = 0;
  for (const batch of batches) {
    const images = tf.tensor(
      numbers(
        batch,
        sides.reduce((a, b) => a * b, batch),
      ),
      [batch, ...sides],
    );
    const made = await run(bytes, images);
    for (const [name, wanted] of Object.entries(model.predict(images))) {
      if (options.output !== undefined && options.output !== name) continue;
      expect(made[name]!.dims).toEqual(wanted.shape);
      for (const [index, value] of (await wanted.data()).entries())
        worst = Math.max(worst, Math.abs(value - (made[name]!.data[index] as number)));
    }
  }
  return worst;
}

const TOLERANCE = 1e-4;

it('a LayersModel with two outputs gives the numbers of TF.js for any batch size', async () => {
  const model = await loadModel(filesOf(await writeLayersModel(network())));
  expect(model).toMatchObject({ format: 'layers-model', outputs: ['classes', 'features'] });
  expect(await difference(model)).toBeLessThan(TOLERANCE);
});

it('a GraphModel of fused kernels, flattened by sizes that it computes, gives the numbers of TF.js', async () => {
  const model = await loadModel(filesOf(writeGraphModel()));
  expect(model).toMatchObject({ format: 'graph-model', outputs: ['probabilities'] });
  expect(await difference(model)).toBeLessThan(TOLERANCE);
});

it('an inner layer or node can be the output', async () => {
  const layers = network();
  const model = await loadModel(filesOf(await writeLayersModel(layers)));
  const images = tf.tensor(numbers(5, 2 * 768), [2, 16, 16, 3]);
  const made = await run(model.toOnnx({ output: 'separable' }), images);
  expect(Object.keys(made)).toEqual(['separable']);
  const inner = tf.model({ inputs: layers.inputs, outputs: layers.getLayer('separable').output });
  const wanted = await (inner.predict(images) as Tensor).data();
  expect(wanted).toHaveLength(made.separable!.data.length);
  for (const [index, value] of wanted.entries()) expect(made.separable!.data[index]).toBeCloseTo(value, 4);

  const graph = await loadModel(filesOf(writeGraphModel()));
  const features = await run(graph.toOnnx({ output: 'flat' }), tf.ones([2, 8, 8, 3]));
  expect(features.flat!.dims).toEqual([2, 64]);
});

it('weights that were quantized are those that TF.js computes with', async () => {
  const written = writeGraphModel();
  const [group] = written.json.weightsManifest as { paths: string[]; weights: Record<string, unknown>[] }[];
  const parts: Uint8Array[] = [];
  const all = Buffer.concat([...written.weights.values()]);
  let at = 0;
  for (const weight of group!.weights) {
    const count = (weight.shape as number[]).reduce((product, side) => product * side, 1);
    const stored = all.subarray(at, at + count * 4);
    at += stored.length;
    if (weight.dtype !== 'float32') {
      parts.push(stored);
      continue;
    }
    const values = new Float32Array(new Uint8Array(stored).buffer);
    weight.quantization = { dtype: 'uint8', min: -1, scale: 2 / 255 };
    parts.push(Uint8Array.from(values, (value) => Math.round((value + 1) * 127.5)));
  }
  group!.paths = ['./weights.bin'];
  const quantized: WrittenModel = {
    json: written.json,
    weights: new Map([['weights.bin', Buffer.concat(parts)]]),
  };
  expect(await difference(await loadModel(filesOf(quantized)))).toBeLessThan(TOLERANCE);
});

it('a model that fixes its batch keeps it, one that needs the size of images is told it', async () => {
  const fixed = tf.sequential({
    layers: [
      tf.layers.conv2d({ batchInputShape: [4, 6, 6, 1], filters: 2, kernelSize: 3 }),
      tf.layers.flatten(),
    ],
  });
  expect(await difference(await loadModel(filesOf(await writeLayersModel(fixed))), {}, [4])).toBeLessThan(
    TOLERANCE,
  );

  const free = tf.sequential({
    layers: [
      tf.layers.conv2d({ inputShape: [null, null, 3], filters: 2, kernelSize: 3 }),
      tf.layers.globalAveragePooling2d({}),
    ],
  });
  const model = await loadModel(filesOf(await writeLayersModel(free)));
  expect(() => model.toOnnx()).toThrow(/any size/);
  expect(await difference(model, { image: [9, 7] })).toBeLessThan(TOLERANCE);
});

it('a model whose parts need to know the batch size is exported for one image', async () => {
  const tiled = { name: 'tiled', op: 'Tile', input: ['flat', 'sizes'] };
  const model = await loadModel(filesOf(writeGraphModel([tiled])));
  const shapeOf = async (output: string) => {
    const session = await ort.InferenceSession.create(model.toOnnx({ output }));
    return (session.inputMetadata[0] as ort.InferenceSession.TensorValueMetadata).shape;
  };
  expect(await shapeOf('tiled')).toEqual([1, 8, 8, 3]);
  expect(await shapeOf('flat')).toEqual(['N', 8, 8, 3]);
});

it('an output may be called like any name that the exporter makes up', async () => {
  const images = tf.ones([1, 6, 6, 1]);
  for (const name of ['t', 'c'].flatMap((prefix) =>
    [0, 1, 2, 3, 4, 5].map((number) => `${prefix}${number}`),
  )) {
    const layers = [
      tf.layers.conv2d({ inputShape: [6, 6, 1], filters: 2, kernelSize: 3, activation: 'tanh' }),
      tf.layers.globalAveragePooling2d({ name }),
    ];
    const model = await loadModel(filesOf(await writeLayersModel(tf.sequential({ layers }))));
    expect((await run(model.toOnnx(), images))[name]!.dims).toEqual([1, 2]);
  }
});
