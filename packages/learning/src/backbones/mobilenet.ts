/**
 * MobileNetV2: Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks" (CVPR 2018), table 2 and figure 4d, in
 * torchvision's form and under its names. The modified stem is for small images, as with ResNet: the first convolution and the
 * first bottleneck that would halve the resolution keep it, so that an image of 32 pixels ends as 4 × 4 places and not as one.
 */
import type { BackboneSpec } from '@rela/contracts';
import { type HostTensors, tf } from '@rela/engine';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import { kaimingNormal, normedChannels } from '../initial.js';
import { createBatchNorms, isRunningStatistic } from '../layers.js';
import { take, under } from '../names.js';
import type { Backbone, Convolution } from './backbone.js';

/** t, c, n and s of the paper's table 2. */
export interface BottleneckStage {
  /** How much wider than its input the middle of a bottleneck is. */
  expansion: number;
  width: number;
  blocks: number;
  /** Of the first block; the others have 1. */
  stride: number;
}

export interface MobilenetShape {
  spec: BackboneSpec;
  stem: 'modified' | 'standard';
  channels: number;
  /** Channels of the first convolution. */
  first: number;
  stages: readonly BottleneckStage[];
  /** Channels of the last convolution, which are the features. */
  last: number;
}

/** Table 2 of the paper. */
export const MOBILENET_V2_STAGES: readonly BottleneckStage[] = [
  { expansion: 1, width: 16, blocks: 1, stride: 1 },
  { expansion: 6, width: 24, blocks: 2, stride: 2 },
  { expansion: 6, width: 32, blocks: 3, stride: 2 },
  { expansion: 6, width: 64, blocks: 4, stride: 2 },
  { expansion: 6, width: 96, blocks: 3, stride: 1 },
  { expansion: 6, width: 160, blocks: 3, stride: 2 },
  { expansion: 6, width: 320, blocks: 1, stride: 1 },
];

interface Layer extends Convolution {
  kind: 'whole' | 'depthwise';
  /** False behind a linear bottleneck. */
  relu: boolean;
}

interface Block {
  convolutions: Layer[];
  residual: boolean;
}

export function createMobilenetV2(shape: MobilenetShape): Backbone {
  const blocks = describeBlocks(shape);
  const convolutions = blocks.flatMap((block) => block.convolutions);
  const unseen = new Set(convolutions.filter(({ relu }) => !relu).map(({ norm }) => `${norm}.bias`));
  return {
    spec: shape.spec,
    width: shape.last,
    // What a linear bottleneck adds to a channel, the batch norm behind the next 1×1 convolution takes away again: its gradient
    // would be nothing but rounding, which AdamW makes as large as any other. It stays 0.
    trainable: (key) => !isRunningStatistic(key) && !unseen.has(key),

    init(random) {
      const weights: HostTensors = {};
      for (const { kind, key, norm, kernel, inputs, outputs } of convolutions) {
        // A depthwise filter fans out to the one map of its own channel.
        const sides = kind === 'whole' ? ([inputs, outputs] as const) : ([outputs, 1] as const);
        weights[`${key}.weight`] = kaimingNormal(kernel, ...sides, random.fork(key));
        Object.assign(weights, under(`${norm}.`, normedChannels(outputs)));
      }
      return weights;
    },

    forward(weights, images, mode) {
      const norms = createBatchNorms(weights, mode);
      const convolve = (x: Tensor4D, { kind, key, norm, kernel, stride, relu }: Layer): Tensor4D => {
        // Padding as in PyTorch: the same on all sides, also at stride 2.
        const padding = Math.floor(kernel / 2);
        const filter = take<Tensor4D>(weights, `${key}.weight`);
        const y =
          kind === 'whole'
            ? tf.conv2d(x, filter, stride, padding)
            : tf.depthwiseConv2d(x, filter, stride, padding);
        const normalised = norms.normalise(norm, y);
        return relu ? tf.relu6(normalised) : normalised;
      };
      const x = blocks.reduce((input, { convolutions, residual }) => {
        const y = convolutions.reduce(convolve, input);
        return residual ? tf.add(input, y) : y;
      }, images);
      return { features: tf.mean(x, [1, 2]), statistics: norms.statistics };
    },
  };
}

function describeBlocks({ stem, channels, first, stages, last }: MobilenetShape): Block[] {
  const halving = stem === 'standard';
  const blocks: Block[] = [
    {
      residual: false,
      convolutions: [
        normed('features.0', { kernel: 3, stride: halving ? 2 : 1, inputs: channels, outputs: first }),
      ],
    },
  ];
  const firstHalving = stages.findIndex(({ stride }) => stride === 2);
  let inputs = first;
  for (const [stage, { expansion, width, blocks: count, stride }] of stages.entries())
    for (let block = 0; block < count; block++) {
      const keeps = block > 0 || (!halving && stage === firstHalving);
      blocks.push(
        bottleneck(`features.${blocks.length}.conv`, {
          ...{ inputs, expansion, outputs: width, stride: keeps ? 1 : stride },
        }),
      );
      inputs = width;
    }
  const final = normed(`features.${blocks.length}`, { kernel: 1, stride: 1, inputs, outputs: last });
  return [...blocks, { residual: false, convolutions: [final] }];
}

type Sides = Pick<Layer, 'kernel' | 'stride' | 'inputs' | 'outputs'>;

/** Convolution '.0', batch norm '.1' and ReLU6. */
const normed = (name: string, sides: Sides, kind: Layer['kind'] = 'whole'): Layer => ({
  ...{ kind, key: `${name}.0`, norm: `${name}.1`, relu: true },
  ...sides,
});

/** 1×1 up (but where the expansion is 1), 3×3 a channel, 1×1 down without a ReLU. */
function bottleneck(
  name: string,
  {
    inputs,
    expansion,
    outputs,
    stride,
  }: { inputs: number; expansion: number; outputs: number; stride: number },
): Block {
  const middle = inputs * expansion;
  const parts =
    expansion === 1 ? [] : [normed(`${name}.0`, { kernel: 1, stride: 1, inputs, outputs: middle })];
  parts.push(
    normed(`${name}.${parts.length}`, { kernel: 3, stride, inputs: middle, outputs: middle }, 'depthwise'),
  );
  const at = parts.length;
  parts.push({
    ...{ kind: 'whole', key: `${name}.${at}`, norm: `${name}.${at + 1}`, relu: false },
    ...{ kernel: 1, stride: 1, inputs: middle, outputs },
  });
  return { residual: stride === 1 && inputs === outputs, convolutions: parts };
}
