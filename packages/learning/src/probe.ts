/** The linear probe: a linear classifier on frozen features, trained by Adam (method.md, section 3). */
import type { HostTensor, HostTensors, StepFunction, TensorSpec } from '@rela/engine';
import { createRandom } from '@rela/random';
import type { Scalar, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import { differentiate } from './differentiate.js';
import { linear, scalar } from './initial.js';
import { applyLinear } from './layers.js';
import { crossEntropy } from './losses.js';
import { only, take, under } from './names.js';
import { createAdamW } from './optimizers/adamw.js';

const PROBE = 'probe';
const isProbe = (key: string) => key.startsWith(`${PROBE}.`);

export interface ProbePlan {
  initialState(seed: number): HostTensors;
  /** features [batch, width] float32, labels [batch] int32 (−1: not labelled), and the scalars. */
  batchSpecs(batch: number): Record<string, TensorSpec>;
  /** Metrics: loss []. */
  step: StepFunction;
  scalars(step: number): HostTensors;
  /** W·h + b of features [n, width] → [n, classes] */
  logits(state: HostTensors, features: Float32Array): Float32Array;
  /** The class of the largest logit of every row. */
  predict(state: HostTensors, features: Float32Array): Int32Array;
}

/** @param options.width d, of the features. Adam is at torch's defaults: β 0.9 and 0.999, ε 1e-8. */
export function probePlan(options: { width: number; classes: number; learningRate: number }): ProbePlan {
  const { width, classes, learningRate } = options;
  const adam = createAdamW({ weightDecay: 0, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 }, () => PROBE);

  const logits = (state: HostTensors, features: Float32Array): Float32Array =>
    linearScores(state[`${PROBE}.weight`]!, state[`${PROBE}.bias`]!, features);

  return {
    initialState(seed) {
      const weights = under(`${PROBE}.`, linear(width, classes, createRandom(seed, PROBE)));
      return { ...weights, ...adam.init(weights) };
    },
    batchSpecs: (batch) => ({
      features: { shape: [batch, width], dtype: 'float32' },
      labels: { shape: [batch], dtype: 'int32' },
      learningRate: { shape: [], dtype: 'float32' },
    }),
    step: (state, batch) => {
      const { loss, gradients } = differentiate(only(state, isProbe), () => {
        const scores = applyLinear(state, PROBE, take<Tensor2D>(batch, 'features'));
        return { loss: crossEntropy(scores, take<Tensor1D>(batch, 'labels')), byproducts: {} };
      });
      return {
        state: adam.update(state, gradients, take<Scalar>(batch, 'learningRate')),
        metrics: { loss },
      };
    },
    scalars: () => ({ learningRate: scalar(learningRate) }),
    logits,
    predict: (state, features) => largest(logits(state, features), classes),
  };
}

/**
 * W·h + b of features h [n, width] → [n, classes], summed in float64.
 * @param weight [width, classes] @param bias [classes]
 */
export function linearScores(weight: HostTensor, bias: HostTensor, features: Float32Array): Float32Array {
  const [width, classes] = weight.shape as [number, number];
  const rows = features.length / width;
  const out = new Float32Array(rows * classes);
  const sums = new Float64Array(classes);
  for (let row = 0; row < rows; row++) {
    sums.set(bias.data);
    for (let input = 0; input < width; input++) {
      const feature = features[row * width + input]!;
      if (feature === 0) continue; // features come out of a ReLU
      const at = input * classes;
      for (let label = 0; label < classes; label++)
        sums[label] = sums[label]! + feature * weight.data[at + label]!;
    }
    out.set(sums, row * classes);
  }
  return out;
}

/** Where the largest of every row of scores [n, classes] is; the first of equal ones. */
export function largest(scores: Float32Array, classes: number): Int32Array {
  return Int32Array.from({ length: scores.length / classes }, (_, row) => {
    let best = 0;
    for (let label = 1; label < classes; label++)
      if (scores[row * classes + label]! > scores[row * classes + best]!) best = label;
    return best;
  });
}
