/** Losses and the cosine they stand on, as functions of features; nothing here knows a network. */
import { tf } from '@rela/engine';
import type { Scalar, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';

/** Keeps the length of a row of zeros away from 0; rows of any other use are far longer than its root, 1e-6. */
const SMALLEST_SQUARE = 1e-12;

/** Rows of x [B, w] at length 1. */
export function normalizeRows(x: Tensor2D): Tensor2D {
  const squares = tf.sum(tf.square(x), 1, true);
  return tf.mul(x, tf.rsqrt(tf.add(squares, SMALLEST_SQUARE)));
}

/** mean_B[cos(a, b)] of a, b [B, w] → [] */
export function meanCosine(a: Tensor2D, b: Tensor2D): Scalar {
  return tf.mean(tf.sum(tf.mul(normalizeRows(a), normalizeRows(b)), 1));
}

/**
 * The ReLA loss on views of images with targets y (arXiv 2405.14669; method.md, section 2), for two views x′, x″:
 * L = ½ · mean_B[1 − cos(W φ(x′), y)] + ½ · mean_B[1 − cos(W φ(x″), y)].
 * @param mapped W φ of each view [B, k]
 * @param y targets [B, k]
 */
export function relaLoss(mapped: readonly Tensor2D[], y: Tensor2D): Scalar {
  const cosines = mapped.map((view) => meanCosine(view, y));
  return tf.sub(1, tf.mul(1 / cosines.length, cosines.length > 1 ? tf.addN(cosines) : cosines[0]!));
}

/** Which class each row has, as 0 and 1 [B, classes]; a row of zeros where the label is −1. */
function indicate(labels: Tensor1D, classes: number): Tensor2D {
  const each = tf.tensor2d(
    Int32Array.from({ length: classes }, (_, index) => index),
    [1, classes],
    'int32',
  );
  return tf.cast(tf.equal(tf.expandDims(labels, 1), each), 'float32');
}

/**
 * Cross-entropy of logits [B, classes] against labels int32 [B], averaged over the labelled rows (−1: not labelled, weight
 * 0) → []. Without a labelled row it is 0.
 */
export function crossEntropy(logits: Tensor2D, labels: Tensor1D): Scalar {
  const indicators = indicate(labels, logits.shape[1]);
  const labelled = tf.maximum(tf.sum(indicators), 1);
  return tf.neg(tf.div(tf.sum(tf.mul(tf.logSoftmax(logits), indicators)), labelled));
}

/** Labelled rows whose largest logit is their label's → [] */
export function countCorrect(logits: Tensor2D, labels: Tensor1D): Scalar {
  const indicators = indicate(labels, logits.shape[1]);
  const largest = tf.cast(tf.equal(logits, tf.max(logits, 1, true)), 'float32');
  return tf.sum(tf.mul(largest, indicators));
}
