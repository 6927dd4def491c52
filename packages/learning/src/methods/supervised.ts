/**
 * Supervised training: cross-entropy of a linear classifier on the features of one view, averaged over the labelled images.
 */
import type { Backbone } from '../backbones/backbone.js';
import { linear } from '../initial.js';
import { applyLinear } from '../layers.js';
import { crossEntropy } from '../losses.js';
import { under, within } from '../names.js';
import type { Method } from './method.js';

const HEAD = 'head';

export function createSupervised({ backbone, classes }: { backbone: Backbone; classes: number }): Method {
  return {
    name: 'supervised',
    views: 1,
    init: (random) => under(`${HEAD}.`, linear(backbone.width, classes, random.fork(HEAD))),
    trainable: () => true,
    constants: () => ({}),
    loss(weights, { view1, labels }) {
      if (!labels) throw new RangeError('Supervised training takes labels; the batch has none.');
      const { features, statistics } = backbone.forward(within(weights, 'backbone.'), view1, 'training');
      return { loss: crossEntropy(applyLinear(weights, HEAD, features), labels), features, statistics };
    },
    follow: () => ({}),
  };
}
