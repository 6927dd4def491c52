/**
 * Supervised training: cross-entropy of a linear classifier on the features of one view, averaged over the labelled images.
 */
import type { MethodOptions, ViewRecipe } from '@rela/contracts';
import { linear } from '../initial.js';
import { applyLinear } from '../layers.js';
import { crossEntropy } from '../losses.js';
import { under, within } from '../names.js';
import { isSmall, plainView, resizedCrop } from '../views.js';
import type { MethodPage } from './method.js';

const HEAD = 'head';

/**
 * Small: padding by an eighth of the side and a random crop, as ResNet does on CIFAR (He et al. 2015, section 4.2: 4 pixels at 32),
 * without its flip, because a digit's mirror image is none. Larger: ResNet's recipe for ImageNet in today's form.
 */
function supervisedView(size: number): ViewRecipe {
  if (isSmall(size)) return plainView(size, { kind: 'padded', padding: Math.round(size / 8) });
  return { ...plainView(size, resizedCrop(0.08)), flip: 0.5 };
}

export const supervised: MethodPage<MethodOptions<'supervised'>> = {
  faults(_, { classes }) {
    if (classes !== null && classes > 1) return [];
    const has =
      classes === 1 ? 'two classes or more and this dataset has one' : 'labels and this dataset has none';
    return [{ path: ['method'], message: `supervised training needs ${has}; take a method such as byol` }];
  },

  create(_, { backbone, image, classes }) {
    return {
      views: [supervisedView(image.size)],
      init: (random) => under(`${HEAD}.`, linear(backbone.width, classes ?? 0, random.fork(HEAD))),
      trainable: () => true,
      constants: () => ({}),
      loss(weights, { views, labels }) {
        if (!labels) throw new RangeError('Supervised training takes labels; the batch has none.');
        const { features, statistics } = backbone.forward(
          within(weights, 'backbone.'),
          views[0]!,
          'training',
        );
        const loss = crossEntropy(applyLinear(weights, HEAD, features), labels);
        return { loss, features: [features], statistics };
      },
      follow: () => ({}),
    };
  },
};
