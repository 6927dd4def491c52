import { type HostTensors, tf } from '@rela/engine';
import { createRandom } from '@rela/random';
import * as ort from 'onnxruntime-node';
import { expect, it } from 'vitest';
import type { Backbone } from './backbones/backbone.js';
import { createBackbone } from './backbones/backbone.js';
import { exportBackbone } from './export.js';
import { numbers } from './testing/eager.js';
import { normal, tinyBackbone, tinyMobilenet, tinyVit } from './testing/tiny.js';

const prepared = { mean: [0.1, 0.2, 0.3], std: [0.4, 0.5, 0.6] };

/** Features of NHWC images by TF.js's own CPU backend. */
function features(
  backbone: Backbone,
  weights: HostTensors,
  images: Float32Array,
  shape: [number, number, number, number],
) {
  return numbers(() => {
    const tensors = Object.fromEntries(
      Object.entries(weights).map(([key, tensor]) => [
        key,
        tf.tensor(tensor.data as Float32Array, tensor.shape),
      ]),
    );
    return backbone.forward(tensors, tf.tensor4d(images, shape), 'inference').features;
  });
}

function toNchw(images: Float32Array, [n, h, w, c]: [number, number, number, number]): Float32Array {
  const moved = new Float32Array(images.length);
  for (let image = 0; image < n; image++)
    for (let pixel = 0; pixel < h * w; pixel++)
      for (let channel = 0; channel < c; channel++)
        moved[(image * c + channel) * h * w + pixel] = images[(image * h * w + pixel) * c + channel]!;
  return moved;
}

/** Weights with running statistics that are not those of a fresh network. */
function used(backbone: Backbone): HostTensors {
  const weights = backbone.init(createRandom(2));
  for (const [key, tensor] of Object.entries(weights))
    if (!backbone.trainable(key))
      for (const index of tensor.data.keys()) tensor.data[index] = 0.5 + 0.1 * index;
  return weights;
}

it('exports a model whose features are those of the backbone, for any number of images', async () => {
  const standard = createBackbone({ name: 'resnet18-narrow', stem: 'standard' }, { size: 32, channels: 3 });
  for (const [backbone, size] of [
    [tinyBackbone(3), 8],
    [standard, 32],
    [tinyMobilenet(3), 8],
    [tinyVit(3), 8],
    // Patches that reach beyond the image.
    [tinyVit(3, 10), 10],
  ] as const) {
    const weights = used(backbone);
    const model = exportBackbone(backbone, weights, { size, channels: 3, ...prepared });
    const session = await ort.InferenceSession.create(model);
    for (const count of [1, 4]) {
      const shape: [number, number, number, number] = [count, size, size, 3];
      const images = normal(shape, count).data;
      const result = await session.run({
        images: new ort.Tensor('float32', toNchw(images, shape), [count, 3, size, size]),
      });
      expect(result.features!.dims).toEqual([count, backbone.width]);
      const expected = await features(backbone, weights, images, shape);
      for (const [index, value] of expected.entries())
        expect(Math.abs((result.features!.data[index] as number) - value)).toBeLessThan(
          1e-4 * Math.max(1, Math.abs(value)),
        );
    }
    await session.release();
  }
});

it('writes the preprocessing into the model', () => {
  const backbone = tinyBackbone(3);
  const model = Buffer.from(exportBackbone(backbone, used(backbone), { size: 8, channels: 3, ...prepared }));
  for (const text of [
    'rela.mean',
    '[0.1,0.2,0.3]',
    'rela.std',
    '[0.4,0.5,0.6]',
    'rela.height',
    'rela.layout',
    'nchw',
    'rela.scale',
    'unit',
  ])
    expect(model.includes(text), text).toBe(true);
});
