/** A backbone: the network φ that a run trains and whose features are its result. */
import { BackboneSpec } from '@rela/contracts';
import type { HostTensors, Tensors } from '@rela/engine';
import type { Random } from '@rela/random';
import type { Tensor2D, Tensor3D, Tensor4D } from '@tensorflow/tfjs-core';
import { createMobilenetV2, MOBILENET_V2_STAGES } from './mobilenet.js';
import { createResnet, type ResnetShape } from './resnet.js';
import { createVit, type VitShape } from './vit.js';

export interface Backbone {
  readonly spec: BackboneSpec;
  /** d, the width of the features */
  readonly width: number;
  /** Fresh parameters and running statistics under torchvision's or timm's names; convolutions are [kernel, kernel, in, out], depthwise
   * ones [kernel, kernel, channels, 1], linear layers [in, out]. */
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
  /** False for running statistics, and for what no loss can see. */
  trainable(key: string): boolean;
  /** How it takes images apart, where it is made of patches. */
  readonly patches?: Patches;
}

/** The parts of a backbone of patches, for methods that show it only some of them. T: places, which are patches, in any order. */
export interface Patches {
  /** Patches of an image of the backbone's size. */
  readonly count: number;
  /** Numbers of a patch: pixels · channels. */
  readonly values: number;
  /** x [B, H, H, C] → the pixels of its patches [B, T, values] */
  cut(x: Tensor4D): Tensor3D;
  /** x [B, H, H, C] → a vector a patch, which holds its position [B, T, d] */
  embed(weights: Tensors, x: Tensor4D): Tensor3D;
  /** Vectors of patches [B, T, d] → the last layer's of the class token and of the patches [B, 1 + T, d] */
  encode(weights: Tensors, embedded: Tensor3D): Tensor3D;
  /** What `encode` gives → features [B, d] */
  pool(tokens: Tensor3D): Tensor2D;
}

/** Images up to this side keep their resolution in the stem (method.md, section 2, reference settings). */
const MODIFIED_STEM_UP_TO = 64;

type Resnet = Extract<BackboneSpec['name'], `resnet${string}`>;

/** Blocks a stage and channels of the first; each further stage has twice as many channels. */
const RESNETS: Record<Resnet, Pick<ResnetShape, 'block'> & { depths: number[]; first: number }> = {
  resnet18: { block: 'basic', depths: [2, 2, 2, 2], first: 64 },
  resnet34: { block: 'basic', depths: [3, 4, 6, 3], first: 64 },
  resnet50: { block: 'bottleneck', depths: [3, 4, 6, 3], first: 64 },
  'resnet18-narrow': { block: 'basic', depths: [2, 2, 2, 2], first: 16 },
};

type Vit = Extract<BackboneSpec['name'], `vit-${string}`>;

/** DeiT-Ti and DeiT-S of Touvron et al. (ICML 2021), table 1. */
const VITS: Record<Vit, Pick<VitShape, 'width' | 'depth' | 'heads'>> = {
  'vit-tiny': { width: 192, depth: 12, heads: 3 },
  'vit-small': { width: 384, depth: 12, heads: 6 },
};

/** Pixels along the side of a patch: of ImageNet's images as in the paper, of small ones so that there are as many patches. */
const PATCHES = { standard: 16, modified: 4 };

/** The backbone of that name for images of `size` × `size` pixels. */
export function createBackbone(spec: BackboneSpec, image: { size: number; channels: number }): Backbone {
  const fitting = image.size <= MODIFIED_STEM_UP_TO ? 'modified' : 'standard';
  const stem = spec.stem === 'auto' ? fitting : spec.stem;
  switch (spec.name) {
    case 'vit-tiny':
    case 'vit-small':
      return createVit({ spec, image, patch: PATCHES[stem], ...VITS[spec.name] });
    case 'mobilenet-v2':
      return createMobilenetV2({
        ...{ spec, stem, channels: image.channels },
        ...{ first: 32, stages: MOBILENET_V2_STAGES, last: 1280 },
      });
    default: {
      const { block, depths, first } = RESNETS[spec.name];
      const stages = depths.map((blocks, stage) => ({ width: first * 2 ** stage, blocks }));
      return createResnet({ spec, block, stem, channels: image.channels, stages });
    }
  }
}

/** Names of the backbones that are made of patches. */
export function patchBackbones(): BackboneSpec['name'][] {
  const image = { size: MODIFIED_STEM_UP_TO, channels: 3 };
  return BackboneSpec.shape.name.options.filter(
    (name) => createBackbone({ name, stem: 'auto' }, image).patches !== undefined,
  );
}

/** A convolution without bias, and the batch norm behind it. */
export interface Convolution {
  /** 'layer1.0.conv1' */
  key: string;
  /** 'layer1.0.bn1' */
  norm: string;
  kernel: number;
  stride: number;
  inputs: number;
  outputs: number;
}
