/** A trained backbone as an ONNX model that says by itself how its images are prepared. */
import { exportOnnx, type HostTensors } from '@rela/engine';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import type { Backbone } from './backbones/backbone.js';

/** Images that the model takes: `size` × `size` pixels, scaled to [0, 1], minus `mean`, over `std`, a channel. */
export interface ImageInput {
  size: number;
  channels: number;
  mean: number[];
  std: number[];
}

/**
 * Input 'images' [N, C, H, W] float32, normalised; output 'features' [N, d], with the running statistics. The preprocessing
 * lies in the model's metadata under 'rela.…', where this service reads it when the model becomes a prior.
 * @param weights parameters and running statistics under the backbone's own names
 * @returns the bytes of an .onnx file
 */
export function exportBackbone(
  backbone: Backbone,
  weights: HostTensors,
  { size, channels, mean, std }: ImageInput,
): Uint8Array {
  return exportOnnx(
    ({ images }, tensors) => ({
      features: backbone.forward(tensors, images as Tensor4D, 'inference').features,
    }),
    {
      inputs: { images: { shape: [1, size, size, channels], dtype: 'float32' } },
      weights,
      layout: 'nchw',
      dynamicBatch: true,
      name: backbone.spec.name,
      metadata: {
        'rela.mean': JSON.stringify(mean),
        'rela.std': JSON.stringify(std),
        'rela.height': String(size),
        'rela.width': String(size),
        'rela.channels': String(channels),
        'rela.layout': 'nchw',
        'rela.scale': 'unit',
      },
    },
  );
}
