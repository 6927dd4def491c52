/** The online classifier: a linear one on features that no gradient leaves, to watch a run (method.md, section 2). */
import type { HostTensors, Tensors } from '@rela/engine';
import type { Random } from '@rela/random';
import type { Scalar, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import { differentiate } from './differentiate.js';
import { linear } from './initial.js';
import { applyLinear } from './layers.js';
import { countCorrect, crossEntropy } from './losses.js';
import { only, under } from './names.js';

const CLASSIFIER = 'classifier';

export function initClassifier(width: number, classes: number, random: Random): HostTensors {
  return under(`${CLASSIFIER}.`, linear(width, classes, random.fork(CLASSIFIER)));
}

export const isClassifier = (key: string) => key.startsWith(`${CLASSIFIER}.`);

/**
 * @param features φ(x′) [B, d], a constant here
 * @param labels int32 [B], −1: not labelled
 * @returns gradients of the classifier's cross-entropy, and how many of the labelled images it has right before the step []
 */
export function watch(
  weights: Tensors,
  features: Tensor2D,
  labels: Tensor1D,
): { gradients: Tensors; correct: Scalar } {
  const { gradients, byproducts } = differentiate(only(weights, isClassifier), () => {
    const logits = applyLinear(weights, CLASSIFIER, features);
    return { loss: crossEntropy(logits, labels), byproducts: { correct: countCorrect(logits, labels) } };
  });
  return { gradients, correct: byproducts.correct as Scalar };
}
