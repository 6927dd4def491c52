/**
 * MoCo v2: He et al., "Momentum Contrast for Unsupervised Visual Representation Learning" (CVPR 2020), algorithm 1, with the head and
 * the augmentation of Chen et al., "Improved Baselines with Momentum Contrastive Learning" (2020).
 *
 *   q = g(φ(x′)) at length 1      k = the same of x″ by the key encoder, which follows: ξ ← m·ξ + (1 − m)·θ
 *   ℓ = −log exp(q·k / τ) / (exp(q·k / τ) + Σ_{n in the queue} exp(q·n / τ));  loss = mean_B ℓ
 *   then the B keys take the places of the oldest ones in the queue
 *
 * The queue and the place of its oldest key are state: a run that goes on from a checkpoint has the same ones. Where the queue is no
 * multiple of the batch the keys go on at its beginning. There is no shuffling for batch norm: it moves images between the devices
 * that share a batch, and here the whole batch is on one, whose statistics no order changes.
 */
import type { MethodOptions, ViewRecipe } from '@rela/contracts';
import { type HostTensors, ops, type Tensors, tf } from '@rela/engine';
import type { Random } from '@rela/random';
import type { Scalar, Tensor2D } from '@tensorflow/tfjs-core';
import { normal } from '../initial.js';
import { normalizeRows } from '../losses.js';
import { follow, WARMING } from '../moving-average.js';
import { only, take, under, within } from '../names.js';
import { blurred, coloured, plainView, resizedCrop } from '../views.js';
import { applyHead, initHead } from './head.js';
import type { MethodPage } from './method.js';
import { bothViews } from './two-views.js';

const PROJECTOR = 'projector';
const TARGET = 'target.';
/** float32 [K, projection], rows of length 1 */
const QUEUE = 'queue.keys';
/** int32 [], the place of the oldest key */
const OLDEST = 'queue.oldest';

const isFollowed = (key: string) => key.startsWith('backbone.') || key.startsWith(`${PROJECTOR}.`);

/** The augmentation of MoCo v2, section 3: MoCo's with blur. Both views alike. */
export function mocoViews(size: number): ViewRecipe[] {
  const view = {
    ...plainView(size, resizedCrop(0.2)),
    ...coloured(0.4, 0.4, 0.4, 0.1),
    flip: 0.5,
    blur: blurred(size, 0.5),
  };
  return [view, view];
}

/** InfoNCE of queries q [B, w] with their keys [B, w] against the others [K, w], all rows of length 1. */
export function infoNce(q: Tensor2D, keys: Tensor2D, others: Tensor2D, temperature: number): Scalar {
  const own: Tensor2D = tf.sum(tf.mul(q, keys), 1, true);
  const logits: Tensor2D = tf.div(tf.concat([own, tf.matMul(q, others, false, true)], 1), temperature);
  return tf.neg(tf.mean(tf.slice(tf.logSoftmax(logits), [0, 0], [-1, 1])));
}

/** The queue with `keys` [B, w] in the places of its oldest ones. */
function enqueue(weights: Tensors, keys: Tensor2D): Tensors {
  const queue = take<Tensor2D>(weights, QUEUE);
  const oldest = take<Scalar>(weights, OLDEST);
  const [size, batch] = [queue.shape[0], keys.shape[0]];
  const wrapped = (place: Tensors[string]) =>
    tf.sub(
      place,
      tf.mul(tf.cast(tf.greaterEqual(place, tf.scalar(size, 'int32')), 'int32'), tf.scalar(size, 'int32')),
    );
  const ahead = tf.tensor1d(
    Int32Array.from({ length: batch }, (_, row) => row),
    'int32',
  );
  const places = tf.expandDims(wrapped(tf.add(ahead, oldest)), 1);
  return {
    [QUEUE]: ops.scatterUpdate(queue, places, keys),
    [OLDEST]: wrapped(tf.add(oldest, tf.scalar(batch, 'int32'))),
  };
}

function initQueue(size: number, width: number, random: Random): HostTensors {
  const keys = normal([size, width], 1, random.fork(QUEUE));
  for (let row = 0; row < size; row++) {
    const key = (keys.data as Float32Array).subarray(row * width, (row + 1) * width);
    const length = Math.hypot(...key);
    for (let place = 0; place < width; place++) key[place]! /= length;
  }
  return { [QUEUE]: keys, [OLDEST]: { dtype: 'int32', shape: [], data: new Int32Array(1) } };
}

export const mocoV2: MethodPage<MethodOptions<'moco-v2'>> = {
  faults: ({ queue }, { batchSize }) =>
    queue >= batchSize
      ? []
      : [
          {
            path: ['method', 'queue'],
            message: `is ${queue}, less than a batch of ${batchSize}; take at least ${batchSize}, or a smaller batchSize`,
          },
        ],

  create: ({ temperature, momentum, queue, projection }, { backbone, image }) => ({
    views: mocoViews(image.size),

    init(random, backboneWeights) {
      const widths = [backbone.width, backbone.width, projection];
      const projector = initHead(PROJECTOR, widths, random, { norms: 'none' });
      const copied = { ...under('backbone.', backboneWeights), ...projector };
      return { ...projector, ...under(TARGET, copied), ...initQueue(queue, projection, random) };
    },

    trainable: (key) => key.startsWith(`${PROJECTOR}.`),

    constants(weights, batch) {
      const network = within(weights, TARGET);
      const { features } = backbone.forward(within(network, 'backbone.'), bothViews(batch)[1], 'training');
      return { keys: normalizeRows(applyHead(network, PROJECTOR, features)) };
    },

    loss(weights, batch, constants) {
      const [x] = bothViews(batch);
      const { features, statistics } = backbone.forward(within(weights, 'backbone.'), x, 'training');
      const q = normalizeRows(applyHead(weights, PROJECTOR, features));
      const keys = take<Tensor2D>(constants, 'keys');
      const loss = infoNce(q, keys, take<Tensor2D>(weights, QUEUE), temperature);
      return { loss, features: [features], statistics, next: enqueue(weights, keys) };
    },

    follow(weights, inputs, scheduled) {
      const m = scheduled ?? (inputs === null ? WARMING : momentum);
      return under(TARGET, follow(within(weights, TARGET), only(weights, isFollowed), m));
    },
  }),
};
