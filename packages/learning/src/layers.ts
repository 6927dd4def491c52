/** The layers that backbones and heads are made of, as functions of their weights. */
import { ops, type Tensors, tf } from '@rela/engine';
import type { Tensor, Tensor2D } from '@tensorflow/tfjs-core';
import { take } from './names.js';

/** ε of a batch norm, as in torch.nn.BatchNorm2d. */
const EPSILON = 1e-5;
/** Share of the batch in the running statistics, as in torch.nn.BatchNorm2d. */
const RUNNING_MOMENTUM = 0.1;

/** x [B, inputs] · weight + bias (where there is one) → [B, outputs] */
export function applyLinear(weights: Tensors, key: string, x: Tensor2D): Tensor2D {
  const product: Tensor2D = tf.matMul(x, take<Tensor2D>(weights, `${key}.weight`));
  const bias = weights[`${key}.bias`];
  return bias ? tf.add<Tensor2D>(product, bias) : product;
}

/**
 * Batch norm with the statistics of the batch, over all axes but the last (Ioffe and Szegedy 2015).
 * @returns y of x's shape, and the biased mean and variance of the batch
 */
export function applyBatchNorm(weights: Tensors, key: string, x: Tensor) {
  return ops.batchNormTraining(x, take(weights, `${key}.weight`), take(weights, `${key}.bias`), EPSILON);
}

/** Columns of x [B, w] at mean 0 and variance 1 over the batch: a batch norm without scale and shift. */
export function standardise(x: Tensor2D): Tensor2D {
  const width: [number] = [x.shape[1]];
  return ops.batchNormTraining(x, tf.ones(width), tf.zeros(width), EPSILON).y as Tensor2D;
}

/** Batch norm with the running statistics. */
function applyFrozenBatchNorm<T extends Tensor>(weights: Tensors, key: string, x: T): T {
  const variance = take(weights, `${key}.running_var`);
  const scale = tf.mul(take(weights, `${key}.weight`), tf.rsqrt(tf.add(variance, EPSILON)));
  const shift = tf.sub(take(weights, `${key}.bias`), tf.mul(take(weights, `${key}.running_mean`), scale));
  return tf.add(tf.mul(x, scale), shift);
}

export const isRunningStatistic = (key: string): boolean =>
  key.endsWith('.running_mean') || key.endsWith('.running_var');

/** The batch norms of one forward pass; while training they gather the next running statistics. */
export function createBatchNorms(weights: Tensors, mode: 'training' | 'inference') {
  const statistics: Tensors = {};
  return {
    statistics,
    normalise<T extends Tensor>(key: string, x: T): T {
      if (mode === 'inference') return applyFrozenBatchNorm(weights, key, x);
      const { y, mean, variance } = applyBatchNorm(weights, key, x);
      const count = x.size / x.shape.at(-1)!;
      Object.assign(statistics, nextRunningStatistics(weights, key, { mean, variance, count }));
      return y as T;
    },
  };
}

/**
 * Running statistics after a batch of `count` values a channel: 0.9 of the old and 0.1 of the batch's, its variance
 * unbiased (count − 1), as PyTorch does.
 */
function nextRunningStatistics(
  weights: Tensors,
  key: string,
  batch: { mean: Tensor; variance: Tensor; count: number },
): Tensors {
  const unbiased = tf.mul(batch.variance, batch.count / (batch.count - 1));
  const blend = (name: string, value: Tensor) =>
    tf.add(tf.mul(take(weights, name), 1 - RUNNING_MOMENTUM), tf.mul(value, RUNNING_MOMENTUM));
  return {
    [`${key}.running_mean`]: blend(`${key}.running_mean`, batch.mean),
    [`${key}.running_var`]: blend(`${key}.running_var`, unbiased),
  };
}
