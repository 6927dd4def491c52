/** A backbone: the network φ that a run trains and whose features are its result. */
import type { BackboneSpec } from '@rela/contracts';
import type { HostTensors, Tensors } from '@rela/engine';
import type { Random } from '@rela/random';
import type { Tensor2D, Tensor4D } from '@tensorflow/tfjs-core';
import { createResnet } from './resnet.js';

export interface Backbone {
  readonly spec: BackboneSpec;
  /** d, the width of the features */
  readonly width: number;
  /** Fresh parameters and running statistics under torchvision's names; convolutions are HWIO, [kernel, kernel, in, out]. */
  init(random: Random): HostTensors;
  /**
   * φ(x) of normalised images x [B, H, W, C].
   * @returns features [B, d]; while training also the next running statistics, by their names in the weights
   */
  forward(
    weights: Tensors,
    x: Tensor4D,
    mode: 'training' | 'inference',
  ): { features: Tensor2D; statistics: Tensors };
  /** False for running statistics. */
  trainable(key: string): boolean;
}

/** Images up to this side keep their resolution in the stem (method.md, section 2, reference settings). */
const MODIFIED_STEM_UP_TO = 64;

/** Blocks a stage and channels of the first; each further stage has twice as many channels. */
const RESNETS = {
  resnet18: { block: 'basic', depths: [2, 2, 2, 2], first: 64 },
  resnet34: { block: 'basic', depths: [3, 4, 6, 3], first: 64 },
  resnet50: { block: 'bottleneck', depths: [3, 4, 6, 3], first: 64 },
  'resnet18-narrow': { block: 'basic', depths: [2, 2, 2, 2], first: 16 },
} as const satisfies Record<BackboneSpec['name'], object>;

/** The backbone of that name for images of `size` × `size` pixels. */
export function createBackbone(spec: BackboneSpec, image: { size: number; channels: number }): Backbone {
  const fitting = image.size <= MODIFIED_STEM_UP_TO ? 'modified' : 'standard';
  const { block, depths, first } = RESNETS[spec.name];
  return createResnet({
    spec,
    block,
    stem: spec.stem === 'auto' ? fitting : spec.stem,
    channels: image.channels,
    stages: depths.map((blocks, stage) => ({ width: first * 2 ** stage, blocks })),
  });
}
