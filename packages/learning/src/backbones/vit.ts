/**
 * Vision transformers: Dosovitskiy et al., "An Image is Worth 16x16 Words" (ICLR 2021), section 3.1, with the sizes of DeiT-Ti
 * and DeiT-S (Touvron et al., ICML 2021, table 1), under timm's names. The features are those of the class token, or the mean over the patches.
 */
import type { BackboneSpec } from '@rela/contracts';
import { type Tensors, tf } from '@rela/engine';
import type { Rank, Tensor2D, Tensor3D, Tensor4D } from '@tensorflow/tfjs-core';
import { filled, normal } from '../initial.js';
import { take, under } from '../names.js';
import type { Backbone, Patches } from './backbone.js';
import { interpolatedPositions } from './positions.js';
import { applyBlock, applyLayerNorm, DEVIATION, initBlock, initLayerNorm } from './transformer.js';

export interface VitShape {
  spec: BackboneSpec;
  /** Images that the positions are learned for; others are cut into patches of the same size. */
  image: { size: number; channels: number };
  /** Pixels along the side of a patch; the last patches of a row or column may reach into zeros. */
  patch: number;
  width: number;
  depth: number;
  heads: number;
}

export function createVit({ spec, image, patch, width, depth, heads }: VitShape): Backbone {
  const side = Math.ceil(image.size / patch);
  const values = patch * patch * image.channels;
  const blocks = Array.from({ length: depth }, (_, block) => `blocks.${block}`);

  /** x [B, H, H, C] → the pixels of its patches [B, T, values], row by row */
  const cut = (x: Tensor4D): Tensor3D => {
    const [, size, , channels] = x.shape;
    const along = Math.ceil(size / patch);
    const missing = along * patch - size;
    const whole = missing === 0 ? x : tf.pad(x, PAD_BELOW_AND_RIGHT(missing));
    const split = tf.reshape(whole, [-1, along, patch, along, patch * channels]);
    return tf.reshape(tf.transpose(split, [0, 1, 3, 2, 4]), [-1, along * along, values]);
  };

  const patches: Patches = {
    count: side * side,
    values,
    cut,

    embed(weights, x) {
      const pixels = cut(x);
      const places = pixels.shape[1];
      const rows = tf.reshape<Rank.R2>(pixels, [-1, values]);
      const filter = tf.reshape<Rank.R2>(take(weights, 'patch_embed.proj.weight'), [values, width]);
      const vectors: Tensor3D = tf.reshape(
        tf.add(tf.matMul(rows, filter), take(weights, 'patch_embed.proj.bias')),
        [-1, places, width],
      );
      const learned = tf.slice(take<Tensor3D>(weights, 'pos_embed'), [0, 1, 0], [1, side * side, width]);
      return tf.add(vectors, interpolatedPositions(learned, side, Math.sqrt(places)));
    },

    encode(weights, embedded) {
      const own = tf.slice(take<Tensor3D>(weights, 'pos_embed'), [0, 0, 0], [1, 1, width]);
      const token: Tensor3D = tf.add(take<Tensor3D>(weights, 'cls_token'), own);
      const first: Tensor3D = tf.concat([tf.tile(token, [embedded.shape[0], 1, 1]), embedded], 1);
      const last = blocks.reduce((x, name) => applyBlock(weights, name, x, heads), first);
      return applyLayerNorm(weights, 'norm', last);
    },

    pool(tokens) {
      if (spec.pool === 'mean') return tf.mean(tf.slice(tokens, [0, 1, 0], [-1, -1, -1]), 1) as Tensor2D;
      return tf.reshape(tf.slice(tokens, [0, 0, 0], [-1, 1, -1]), [-1, width]);
    },
  };

  return {
    spec,
    width,
    patches,
    trainable: () => true,

    init(random) {
      const draw = (key: string, shape: number[]) => normal(shape, DEVIATION, random.fork(key));
      return {
        cls_token: draw('cls_token', [1, 1, width]),
        pos_embed: draw('pos_embed', [1, side * side + 1, width]),
        // As torch.nn.Conv2d starts but for its form: variance 1 / (3 · inputs).
        'patch_embed.proj.weight': normal(
          [patch, patch, image.channels, width],
          1 / Math.sqrt(3 * values),
          random.fork('patch_embed'),
        ),
        'patch_embed.proj.bias': filled([width], 0),
        ...Object.assign({}, ...blocks.map((name) => under(`${name}.`, initBlock(width, random.fork(name))))),
        ...under('norm.', initLayerNorm(width)),
      };
    },

    forward: (weights: Tensors, images: Tensor4D) => ({
      features: patches.pool(patches.encode(weights, patches.embed(weights, images))),
      statistics: {},
    }),
  };
}

const PAD_BELOW_AND_RIGHT = (pixels: number): [number, number][] => [
  [0, 0],
  [0, pixels],
  [0, pixels],
  [0, 0],
];
