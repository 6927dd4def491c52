/**
 * Vision transformers: Dosovitskiy et al., "An Image is Worth 16x16 Words" (ICLR 2021), section 3.1, with the sizes of DeiT-Ti
 * (Touvron et al., ICML 2021, table 1), under timm's names. Blocks normalise first; the features are those of the class token.
 *
 * Keys have no bias, as in BEiT (Bao et al., ICLR 2022): it adds the same to all scores of a query, which the softmax takes away
 * again, so that its gradient would be nothing but rounding, which AdamW makes as large as any other.
 */
import type { BackboneSpec } from '@rela/contracts';
import { type HostTensors, ops, type Tensors, tf } from '@rela/engine';
import type { Random } from '@rela/random';
import type { Rank, Tensor, Tensor2D, Tensor3D, Tensor4D } from '@tensorflow/tfjs-core';
import { filled, normal } from '../initial.js';
import { applyLinear } from '../layers.js';
import { take, under } from '../names.js';
import type { Backbone } from './backbone.js';

export interface VitShape {
  spec: BackboneSpec;
  image: { size: number; channels: number };
  /** Pixels along the side of a patch; the last patches of a row or column may reach into zeros. */
  patch: number;
  width: number;
  depth: number;
  heads: number;
}

/** How much wider than its block an MLP is. */
const MLP_RATIO = 4;
/** ε of a layer norm, as in timm. */
const EPSILON = 1e-6;
/** Of first weights, class token and positions, as in timm. */
const DEVIATION = 0.02;

export function createVit({ spec, image, patch, width, depth, heads }: VitShape): Backbone {
  const side = Math.ceil(image.size / patch);
  const blocks = Array.from({ length: depth }, (_, block) => `blocks.${block}`);

  /** x [B, H, W, C] → a vector a patch [B, side², width] */
  const embed = (weights: Tensors, x: Tensor4D): Tensor3D => {
    const missing = side * patch - image.size;
    const whole =
      missing === 0
        ? x
        : tf.pad(x, [
            [0, 0],
            [0, missing],
            [0, missing],
            [0, 0],
          ]);
    const split = tf.reshape(whole, [-1, side, patch, side, patch * image.channels]);
    const patches: Tensor2D = tf.reshape(tf.transpose(split, [0, 1, 3, 2, 4]), [
      -1,
      patch * patch * image.channels,
    ]);
    const filter = take(weights, 'patch_embed.proj.weight');
    const vectors = tf.matMul(patches, tf.reshape<Rank.R2>(filter, [patches.shape[1], width]));
    return tf.reshape(tf.add(vectors, take(weights, 'patch_embed.proj.bias')), [-1, side * side, width]);
  };

  return {
    spec,
    width,
    trainable: () => true,

    init(random) {
      const draw = (key: string, shape: number[]) => normal(shape, DEVIATION, random.fork(key));
      const patchSize = patch * patch * image.channels;
      return {
        cls_token: draw('cls_token', [1, 1, width]),
        pos_embed: draw('pos_embed', [1, side * side + 1, width]),
        // As torch.nn.Conv2d starts but for its form: variance 1 / (3 · inputs).
        'patch_embed.proj.weight': normal(
          [patch, patch, image.channels, width],
          1 / Math.sqrt(3 * patchSize),
          random.fork('patch_embed'),
        ),
        'patch_embed.proj.bias': filled([width], 0),
        ...Object.assign({}, ...blocks.map((name) => under(`${name}.`, initBlock(width, random.fork(name))))),
        ...under('norm.', initLayerNorm(width)),
      };
    },

    forward(weights, images) {
      const patches = embed(weights, images);
      const token = tf.tile(take<Tensor3D>(weights, 'cls_token'), [patches.shape[0], 1, 1]);
      const first: Tensor3D = tf.add(tf.concat([token, patches], 1), take(weights, 'pos_embed'));
      const last = blocks.reduce((x, name) => applyBlock(weights, name, x, heads), first);
      const features = tf.reshape<Rank.R2>(tf.slice(last, [0, 0, 0], [-1, 1, -1]), [-1, width]);
      return { features: applyLayerNorm(weights, 'norm', features), statistics: {} };
    },
  };
}

const initLayerNorm = (width: number): HostTensors => ({
  weight: filled([width], 1),
  bias: filled([width], 0),
});

function initBlock(width: number, random: Random): HostTensors {
  const draw = (key: string, inputs: number, outputs: number) =>
    normal([inputs, outputs], DEVIATION, random.fork(key));
  return {
    ...under('norm1.', initLayerNorm(width)),
    'attn.qkv.weight': draw('qkv', width, 3 * width),
    'attn.q_bias': filled([width], 0),
    'attn.v_bias': filled([width], 0),
    'attn.proj.weight': draw('proj', width, width),
    'attn.proj.bias': filled([width], 0),
    ...under('norm2.', initLayerNorm(width)),
    'mlp.fc1.weight': draw('fc1', width, MLP_RATIO * width),
    'mlp.fc1.bias': filled([MLP_RATIO * width], 0),
    'mlp.fc2.weight': draw('fc2', MLP_RATIO * width, width),
    'mlp.fc2.bias': filled([width], 0),
  };
}

function applyLayerNorm<T extends Tensor>(weights: Tensors, key: string, x: T): T {
  return ops.layerNorm(x, take(weights, `${key}.weight`), take(weights, `${key}.bias`), EPSILON);
}

/** x [B, T, width] → x + attention, then x + MLP */
function applyBlock(weights: Tensors, name: string, x: Tensor3D, heads: number): Tensor3D {
  const attended: Tensor3D = tf.add(
    x,
    applyAttention(weights, `${name}.attn`, applyLayerNorm(weights, `${name}.norm1`, x), heads),
  );
  const hidden = ops.gelu(
    product(weights, `${name}.mlp.fc1`, applyLayerNorm(weights, `${name}.norm2`, attended)),
  );
  return tf.add<Tensor3D>(attended, product(weights, `${name}.mlp.fc2`, hidden));
}

function applyAttention(weights: Tensors, name: string, x: Tensor3D, heads: number): Tensor3D {
  const [q, k, v] = tf.split(product(weights, `${name}.qkv`, x), 3, 2) as [Tensor3D, Tensor3D, Tensor3D];
  const mixed = ops.attention(
    tf.add(q, take(weights, `${name}.q_bias`)),
    k,
    tf.add(v, take(weights, `${name}.v_bias`)),
    heads,
  );
  return product(weights, `${name}.proj`, mixed);
}

/** x [B, T, inputs] · weight + bias (where there is one) → [B, T, outputs] */
function product(weights: Tensors, key: string, x: Tensor3D): Tensor3D {
  const [, places, inputs] = x.shape;
  const rows = tf.reshape<Rank.R2>(x, [-1, inputs]);
  const y = applyLinear(weights, key, rows);
  return tf.reshape(y, [-1, places, y.shape[1]]);
}
