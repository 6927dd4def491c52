/** φ of plain images as a step that an engine runs: the state is the backbone's weights, and nothing of it moves. */
import { type StepFunction, tf } from '@rela/engine';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import type { Backbone } from './backbones/backbone.js';
import { take } from './names.js';

/** Input: view1 [B, H, W, C], normalised. Metric: features [B, d], with the running statistics. */
export function featureStep(backbone: Backbone): StepFunction {
  return (weights, batch) => {
    const { features } = backbone.forward(weights, take<Tensor4D>(batch, 'view1'), 'inference');
    return { state: {}, metrics: { features: tf.clone(features) } };
  };
}
