/**
 * Residual networks of basic blocks: He et al., "Deep Residual Learning for Image Recognition" (CVPR 2016), figure 2 and
 * table 1, in torchvision's form and under its names. The modified stem is the one for small images (method.md, section 2).
 */
import type { BackboneSpec } from '@rela/contracts';
import { type HostTensors, type Tensors, tf } from '@rela/engine';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import { batchNorm, filled, kaimingNormal } from '../initial.js';
import { applyBatchNorm, applyFrozenBatchNorm, nextRunningStatistics } from '../layers.js';
import { take, under } from '../names.js';
import type { Backbone } from './backbone.js';

export interface ResnetShape {
  spec: BackboneSpec;
  /** modified: 3×3, stride 1. standard: 7×7, stride 2, then 3×3 max-pool, stride 2. */
  stem: 'modified' | 'standard';
  channels: number;
  /** Every stage but the first halves the resolution. */
  stages: { width: number; blocks: number }[];
}

/** A convolution without bias, and the batch norm behind it. */
interface Convolution {
  /** 'layer1.0.conv1' */
  key: string;
  /** 'layer1.0.bn1' */
  norm: string;
  kernel: number;
  stride: number;
  inputs: number;
  outputs: number;
}

interface Block {
  first: Convolution;
  second: Convolution;
  /** The 1×1 convolution beside the block, where its input has another shape than its output. */
  shortcut: Convolution | null;
}

export function createResnet(shape: ResnetShape): Backbone {
  const stem = describeStem(shape);
  const blocks = describeBlocks(shape);
  const convolutions = [
    stem,
    ...blocks.flatMap(({ first, second, shortcut }) => [first, second, ...(shortcut ? [shortcut] : [])]),
  ];
  return {
    spec: shape.spec,
    width: shape.stages.at(-1)!.width,
    trainable: (key) => !key.endsWith('.running_mean') && !key.endsWith('.running_var'),

    init(random) {
      const weights: HostTensors = {};
      for (const { key, norm, kernel, inputs, outputs } of convolutions) {
        weights[`${key}.weight`] = kaimingNormal(kernel, inputs, outputs, random.fork(key));
        Object.assign(weights, under(`${norm}.`, batchNorm(outputs)));
        weights[`${norm}.running_mean`] = filled([outputs], 0);
        weights[`${norm}.running_var`] = filled([outputs], 1);
      }
      return weights;
    },

    forward(weights, images, mode) {
      const statistics: Tensors = {};
      const convolve = (layer: Convolution, x: Tensor4D): Tensor4D => {
        // Padding as in PyTorch: the same on all sides, also at stride 2, where TensorFlow's 'same' is not.
        const padding = Math.floor(layer.kernel / 2);
        const y = tf.conv2d(x, take<Tensor4D>(weights, `${layer.key}.weight`), layer.stride, padding);
        if (mode === 'inference') return applyFrozenBatchNorm(weights, layer.norm, y);
        const normalised = applyBatchNorm(weights, layer.norm, y);
        const count = y.size / layer.outputs;
        Object.assign(statistics, nextRunningStatistics(weights, layer.norm, { ...normalised, count }));
        return normalised.y as Tensor4D;
      };

      let x = tf.relu(convolve(stem, images));
      if (shape.stem === 'standard') x = tf.maxPool(x, 3, 2, 1);
      for (const { first, second, shortcut } of blocks) {
        const residual = convolve(second, tf.relu(convolve(first, x)));
        x = tf.relu(tf.add(residual, shortcut ? convolve(shortcut, x) : x));
      }
      return { features: tf.mean(x, [1, 2]), statistics };
    },
  };
}

function describeStem({ stem, channels, stages }: ResnetShape): Convolution {
  const geometry = stem === 'modified' ? { kernel: 3, stride: 1 } : { kernel: 7, stride: 2 };
  return { key: 'conv1', norm: 'bn1', ...geometry, inputs: channels, outputs: stages[0]!.width };
}

function describeBlocks({ stages }: ResnetShape): Block[] {
  let inputs = stages[0]!.width;
  return stages.flatMap(({ width, blocks }, stage) =>
    Array.from({ length: blocks }, (_, block): Block => {
      const name = `layer${stage + 1}.${block}`;
      const stride = stage > 0 && block === 0 ? 2 : 1;
      const outer = { inputs, outputs: width, stride };
      const described: Block = {
        first: { key: `${name}.conv1`, norm: `${name}.bn1`, kernel: 3, ...outer },
        second: {
          key: `${name}.conv2`,
          norm: `${name}.bn2`,
          kernel: 3,
          stride: 1,
          inputs: width,
          outputs: width,
        },
        shortcut:
          stride === 1 && inputs === width
            ? null
            : { key: `${name}.downsample.0`, norm: `${name}.downsample.1`, kernel: 1, ...outer },
      };
      inputs = width;
      return described;
    }),
  );
}
