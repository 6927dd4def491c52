/** Small image models for the tests, in the styles that exporters write. Weights are seeded. */
import type { ElementName, ModelNode, ModelSpec, ModelTensor } from './model-builder.js';

/** Numbers in [−1, 1), the same for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 31 - 1;
  };
}

export function randomTensor(name: string, dims: number[], seed: number): ModelTensor {
  const random = seeded(seed);
  return { name, dims, data: Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, random) };
}

export interface SmallNetOptions {
  channels?: 1 | 3;
  batch?: number | string;
  height?: number | string;
  width?: number | string;
  layout?: 'nchw' | 'nhwc';
  type?: ElementName;
  opset?: number;
  metadata?: Record<string, string>;
}

/** Features of `smallNet`. */
export const FEATURES = 6;
/** Classes of the head of `smallNet`. */
export const CLASSES = 4;

/**
 * Conv, ReLU (the feature map `map`), global average pool, Flatten (`features`), Gemm (`logits`). Channels-last and byte
 * inputs are converted first, as tf2onnx does.
 */
export function smallNet(options: SmallNetOptions = {}): ModelSpec {
  const { channels = 3, batch = 'N', height = 12, width = 12, layout = 'nchw', type = 'float32' } = options;
  const before: ModelNode[] = [];
  let image = 'images';
  if (type !== 'float32') {
    before.push({ op: 'Cast', inputs: [image], outputs: ['floats'], attributes: { to: 1 } });
    image = 'floats';
  }
  if (layout === 'nhwc') {
    before.push({ op: 'Transpose', inputs: [image], outputs: ['first'], attributes: { perm: [0, 3, 1, 2] } });
    image = 'first';
  }
  return {
    opset: options.opset ?? 17,
    inputs: [
      {
        name: 'images',
        type,
        shape: layout === 'nchw' ? [batch, channels, height, width] : [batch, height, width, channels],
      },
    ],
    outputs: [{ name: 'logits', shape: [batch, CLASSES] }],
    nodes: [
      ...before,
      {
        op: 'Conv',
        name: 'stem',
        inputs: [image, 'kernel', 'bias'],
        outputs: ['convolved'],
        attributes: { kernel_shape: [3, 3], pads: [1, 1, 1, 1], strides: [2, 2] },
      },
      { op: 'Relu', inputs: ['convolved'], outputs: ['map'] },
      { op: 'GlobalAveragePool', inputs: ['map'], outputs: ['pooled'] },
      { op: 'Flatten', name: 'flatten', inputs: ['pooled'], outputs: ['features'] },
      {
        op: 'Gemm',
        inputs: ['features', 'head', 'headBias'],
        outputs: ['logits'],
        attributes: { transB: 1, alpha: { float: 1 } },
      },
    ],
    tensors: [
      randomTensor('kernel', [FEATURES, channels, 3, 3], 1),
      randomTensor('bias', [FEATURES], 2),
      randomTensor('head', [CLASSES, FEATURES], 3),
      randomTensor('headBias', [CLASSES], 4),
    ],
    ...(options.metadata ? { metadata: options.metadata } : {}),
  };
}
