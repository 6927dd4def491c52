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

const widths = {
  resnet18: [64, 128, 256, 512],
  'resnet18-narrow': [16, 32, 64, 128],
} satisfies Record<BackboneSpec['name'], number[]>;

/** The backbone of that name for images of `size` × `size` pixels. */
export function createBackbone(spec: BackboneSpec, image: { size: number; channels: number }): Backbone {
  const fitting = image.size <= MODIFIED_STEM_UP_TO ? 'modified' : 'standard';
  return createResnet({
    spec,
    stem: spec.stem === 'auto' ? fitting : spec.stem,
    channels: image.channels,
    stages: widths[spec.name].map((width) => ({ width, blocks: 2 })),
  });
}
