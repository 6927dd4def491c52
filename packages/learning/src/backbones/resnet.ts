/**
 * Residual networks: He et al., "Deep Residual Learning for Image Recognition" (CVPR 2016), figures 2 and 5 and table 1, in
 * torchvision's form and under its names: a bottleneck halves the resolution in its 3×3 convolution, not in its first. The modified stem is the one for small images (method.md, section 2).
 */
import type { BackboneSpec } from '@rela/contracts';
import { type HostTensors, tf } from '@rela/engine';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import { kaimingNormal, normedChannels } from '../initial.js';
import { createBatchNorms, isRunningStatistic } from '../layers.js';
import { take, under } from '../names.js';
import type { Backbone, Convolution } from './backbone.js';

export interface ResnetShape {
  spec: BackboneSpec;
  /** modified: 3×3, stride 1. standard: 7×7, stride 2, then 3×3 max-pool, stride 2. */
  stem: 'modified' | 'standard';
  channels: number;
  /** basic: two 3×3 convolutions. bottleneck: 1×1, 3×3 and 1×1, the last four times as wide as the stage. */
  block: 'basic' | 'bottleneck';
  /** Every stage but the first halves the resolution. */
  stages: { width: number; blocks: number }[];
}

/** How much wider than its stage a block's result is. */
const EXPANSION = { basic: 1, bottleneck: 4 } as const;

interface Block {
  /** One after the other, a ReLU behind each but the last. */
  convolutions: Convolution[];
  /** The 1×1 convolution beside the block, where its input has another shape than its output. */
  shortcut: Convolution | null;
}

export function createResnet(shape: ResnetShape): Backbone {
  const stem = describeStem(shape);
  const blocks = describeBlocks(shape);
  const convolutions = [
    stem,
    ...blocks.flatMap((block) => [...block.convolutions, ...(block.shortcut ? [block.shortcut] : [])]),
  ];
  return {
    spec: shape.spec,
    width: shape.stages.at(-1)!.width * EXPANSION[shape.block],
    trainable: (key) => !isRunningStatistic(key),

    init(random) {
      const weights: HostTensors = {};
      for (const { key, norm, kernel, inputs, outputs } of convolutions) {
        weights[`${key}.weight`] = kaimingNormal(kernel, inputs, outputs, random.fork(key));
        Object.assign(weights, under(`${norm}.`, normedChannels(outputs)));
      }
      return weights;
    },

    forward(weights, images, mode) {
      const norms = createBatchNorms(weights, mode);
      const convolve = (layer: Convolution, x: Tensor4D): Tensor4D => {
        // Padding as in PyTorch: the same on all sides, also at stride 2, where TensorFlow's 'same' is not.
        const padding = Math.floor(layer.kernel / 2);
        const y = tf.conv2d(x, take<Tensor4D>(weights, `${layer.key}.weight`), layer.stride, padding);
        return norms.normalise(layer.norm, y);
      };

      let x = tf.relu(convolve(stem, images));
      if (shape.stem === 'standard') x = tf.maxPool(x, 3, 2, 1);
      for (const { convolutions, shortcut } of blocks) {
        const residual = convolutions.reduce((y, layer, at) => convolve(layer, at === 0 ? y : tf.relu(y)), x);
        x = tf.relu(tf.add(residual, shortcut ? convolve(shortcut, x) : x));
      }
      return { features: tf.mean(x, [1, 2]), statistics: norms.statistics };
    },
  };
}

function describeStem({ stem, channels, stages }: ResnetShape): Convolution {
  const geometry = stem === 'modified' ? { kernel: 3, stride: 1 } : { kernel: 7, stride: 2 };
  return { key: 'conv1', norm: 'bn1', ...geometry, inputs: channels, outputs: stages[0]!.width };
}

function describeBlocks({ stages, block: kind }: ResnetShape): Block[] {
  let inputs = stages[0]!.width;
  return stages.flatMap(({ width, blocks }, stage) =>
    Array.from({ length: blocks }, (_, block): Block => {
      const name = `layer${stage + 1}.${block}`;
      const stride = stage > 0 && block === 0 ? 2 : 1;
      const outputs = width * EXPANSION[kind];
      const described: Block = {
        convolutions: chain(name, kind, { inputs, width, stride }),
        shortcut:
          stride === 1 && inputs === outputs
            ? null
            : {
                ...{ key: `${name}.downsample.0`, norm: `${name}.downsample.1`, kernel: 1 },
                ...{ stride, inputs, outputs },
              },
      };
      inputs = outputs;
      return described;
    }),
  );
}

function chain(
  name: string,
  kind: ResnetShape['block'],
  { inputs, width, stride }: { inputs: number; width: number; stride: number },
): Convolution[] {
  const layer = (number: number, rest: Omit<Convolution, 'key' | 'norm'>): Convolution => ({
    key: `${name}.conv${number}`,
    norm: `${name}.bn${number}`,
    ...rest,
  });
  switch (kind) {
    case 'basic':
      return [
        layer(1, { kernel: 3, stride, inputs, outputs: width }),
        layer(2, { kernel: 3, stride: 1, inputs: width, outputs: width }),
      ];
    case 'bottleneck':
      return [
        layer(1, { kernel: 1, stride: 1, inputs, outputs: width }),
        layer(2, { kernel: 3, stride, inputs: width, outputs: width }),
        layer(3, { kernel: 1, stride: 1, inputs: width, outputs: width * EXPANSION.bottleneck }),
      ];
    default:
      return kind satisfies never;
  }
}
