/**
 * Blocks of vision transformers: Dosovitskiy et al., "An Image is Worth 16x16 Words" (ICLR 2021), equations 2 and 3, under timm's names.
 * Blocks normalise first.
 *
 * Keys have no bias, as in BEiT (Bao et al., ICLR 2022): it adds the same to all scores of a query, which the softmax takes away
 * again, so that its gradient would be nothing but rounding, which AdamW makes as large as any other.
 */
import { type HostTensors, ops, type Tensors, tf } from '@rela/engine';
import type { Random } from '@rela/random';
import type { Rank, Tensor, Tensor3D } from '@tensorflow/tfjs-core';
import { filled, normal } from '../initial.js';
import { applyLinear } from '../layers.js';
import { take, under } from '../names.js';

/** How much wider than its block an MLP is. */
const MLP_RATIO = 4;
/** ε of a layer norm, as in timm. */
const EPSILON = 1e-6;
/** Of first weights, class tokens and positions, as in timm. */
export const DEVIATION = 0.02;

export const initLayerNorm = (width: number): HostTensors => ({
  weight: filled([width], 1),
  bias: filled([width], 0),
});

/** Weights of a block. */
export function initBlock(width: number, random: Random): HostTensors {
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

export function applyLayerNorm<T extends Tensor>(weights: Tensors, key: string, x: T): T {
  return ops.layerNorm(x, take(weights, `${key}.weight`), take(weights, `${key}.bias`), EPSILON);
}

/** x [B, T, width] → x + attention, then x + MLP */
export function applyBlock(weights: Tensors, name: string, x: Tensor3D, heads: number): Tensor3D {
  const attended: Tensor3D = tf.add(
    x,
    applyAttention(weights, `${name}.attn`, applyLayerNorm(weights, `${name}.norm1`, x), heads),
  );
  const hidden = ops.gelu(
    applyToTokens(weights, `${name}.mlp.fc1`, applyLayerNorm(weights, `${name}.norm2`, attended)),
  );
  return tf.add<Tensor3D>(attended, applyToTokens(weights, `${name}.mlp.fc2`, hidden));
}

function applyAttention(weights: Tensors, name: string, x: Tensor3D, heads: number): Tensor3D {
  const [q, k, v] = tf.split(applyToTokens(weights, `${name}.qkv`, x), 3, 2) as [
    Tensor3D,
    Tensor3D,
    Tensor3D,
  ];
  const mixed = ops.attention(
    tf.add(q, take(weights, `${name}.q_bias`)),
    k,
    tf.add(v, take(weights, `${name}.v_bias`)),
    heads,
  );
  return applyToTokens(weights, `${name}.proj`, mixed);
}

/** x [B, T, inputs] · weight + bias (where there is one) → [B, T, outputs] */
export function applyToTokens(weights: Tensors, key: string, x: Tensor3D): Tensor3D {
  const [, places, inputs] = x.shape;
  const rows = tf.reshape<Rank.R2>(x, [-1, inputs]);
  const y = applyLinear(weights, key, rows);
  return tf.reshape(y, [-1, places, y.shape[1]]);
}
