/**
 * MAE: He, Chen, Xie, Li, Dollár, Girshick, "Masked Autoencoders Are Scalable Vision Learners" (CVPR 2022), section 3.
 *
 *   of the N patches of an image a random ⌊(1 − r)·N⌋ are shown, the rest is hidden
 *   encoder: the backbone on the shown patches and their positions
 *   decoder: their vectors and, for each hidden patch, one mask token that all share, with fixed positions, through narrow blocks
 *   loss = mean over hidden patches and their pixels of (prediction − pixels)², where each patch has mean 0 and variance 1
 *
 * Which patches are shown is a function of seed and step. The decoder sees shown and hidden patches in whatever order: what tells a
 * transformer where a patch lies is its position. Only the backbone outlives the run.
 */
import type { MethodOptions } from '@rela/contracts';
import { type HostTensors, ops, type Tensors, tf } from '@rela/engine';
import type { Rank, Scalar, Tensor1D, Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import { patchBackbones } from '../backbones/backbone.js';
import { sinusoidalPositions } from '../backbones/positions.js';
import {
  applyBlock,
  applyLayerNorm,
  applyToTokens,
  DEVIATION,
  initBlock,
  initLayerNorm,
} from '../backbones/transformer.js';
import { filled, normal } from '../initial.js';
import { take, under, within } from '../names.js';
import { plainView, resizedCrop } from '../views.js';
import type { MethodContext, MethodPage } from './method.js';

type Options = MethodOptions<'mae'>;

const DECODER = 'decoder';
/** Inputs of a step: which stream of random numbers, and which draw of it. */
const KEY = 'mae.key';
const COUNTER = 'mae.counter';
/** Channels of one head of the decoder, section 4.1: 512 for 16 heads. */
const HEAD_WIDTH = 32;
/** ε of a patch's variance, the authors' code. */
const EPSILON = 1e-6;

const widthOf = ({ decoderWidth }: Options, d: number) =>
  decoderWidth ?? HEAD_WIDTH * Math.max(1, Math.round((2 * d) / 3 / HEAD_WIDTH));

/** Patches of `count` that are shown: rounded down, but one at least. */
const shownOf = ({ maskRatio }: Options, count: number) => Math.max(1, Math.floor(count * (1 - maskRatio)));

/** The mean squared error of predictions [rows, values] for the pixels of patches [rows, values]. */
export function patchLoss(predicted: Tensor2D, pixels: Tensor2D, normalise: boolean): Scalar {
  if (!normalise) return tf.mean(tf.squaredDifference(predicted, pixels));
  const centred = tf.sub(pixels, tf.mean(pixels, 1, true));
  const variance = tf.div(tf.sum(tf.square(centred), 1, true), pixels.shape[1] - 1);
  return tf.mean(tf.squaredDifference(predicted, tf.div(centred, tf.sqrt(tf.add(variance, EPSILON)))));
}

/** The rows of x [B, N, w] that places [B · T] name, counted over all images → [B · T, w] */
function rowsAt(x: Tensor3D, places: Tensor1D): Tensor2D {
  return tf.gather(tf.reshape<Rank.R2>(x, [-1, x.shape[2]]), places);
}

function requirePatches({ backbone }: MethodContext) {
  if (backbone.patches) return backbone.patches;
  throw new RangeError(`MAE hides patches, and ${backbone.spec.name} has none.`);
}

export const mae: MethodPage<Options> = {
  faults(options, { backbone }) {
    if (!backbone.patches)
      return [
        {
          path: ['backbone', 'name'],
          message: `is ${backbone.spec.name}, which has no patches that MAE could hide; take ${patchBackbones().join(', ')}, or another method`,
        },
      ];
    const { count } = backbone.patches;
    if (shownOf(options, count) < count) return [];
    const message = `is ${options.maskRatio}, and an image is ${count} patch of ${backbone.spec.name}: there is none to hide; take larger images, or stem: modified`;
    return [{ path: ['method', 'maskRatio'], message }];
  },

  create(options, context) {
    const { backbone, image, seed } = context;
    const patches = requirePatches(context);
    const { count, values } = patches;
    const shown = shownOf(options, count);
    const width = widthOf(options, backbone.width);
    const heads = width % HEAD_WIDTH === 0 ? width / HEAD_WIDTH : 1;
    const blocks = Array.from({ length: options.decoderDepth }, (_, block) => `blocks.${block}`);
    const positions = sinusoidalPositions(Math.sqrt(count), width);

    /** Vectors of class token and shown patches [B, 1 + shown, d] → predicted pixels of the hidden ones [B, count − shown, values] */
    const decode = (weights: Tensors, tokens: Tensor3D, order: Tensor2D): Tensor3D => {
      const decoder = within(weights, `${DECODER}.`);
      const batch = tokens.shape[0];
      const visible = applyToTokens(decoder, 'embed', tokens);
      const hidden = tf.tile(take<Tensor3D>(decoder, 'mask_token'), [batch, count - shown, 1]);
      const at: Tensor3D = tf.reshape(
        tf.gather(tf.tensor2d(positions, [count, width]), tf.reshape<Rank.R1>(order, [-1])),
        [batch, count, width],
      );
      // The class token has the position 0.
      const placed: Tensor3D = tf.add(
        tf.concat([visible, hidden], 1),
        tf.concat([tf.zeros<Rank.R3>([batch, 1, width]), at], 1),
      );
      const last = blocks.reduce((x, name) => applyBlock(decoder, name, x, heads), placed);
      const asked = tf.slice(applyLayerNorm(decoder, 'norm', last), [0, 1 + shown, 0], [-1, -1, -1]);
      return applyToTokens(decoder, 'pred', asked);
    };

    return {
      // Appendix A, table 8: random resized crop and flip, no colour. The crop's smallest share is the authors' code's.
      views: [{ ...plainView(image.size, resizedCrop(0.2)), flip: 0.5 }],

      init(random) {
        const draw = (key: string, shape: number[]) => normal(shape, DEVIATION, random.fork(DECODER, key));
        const decoder: HostTensors = {
          'embed.weight': draw('embed', [backbone.width, width]),
          'embed.bias': filled([width], 0),
          mask_token: draw('mask_token', [1, 1, width]),
          ...Object.assign(
            {},
            ...blocks.map((name) => under(`${name}.`, initBlock(width, random.fork(DECODER, name)))),
          ),
          ...under('norm.', initLayerNorm(width)),
          'pred.weight': draw('pred', [width, values]),
          'pred.bias': filled([values], 0),
        };
        return under(`${DECODER}.`, decoder);
      },

      trainable: () => true,

      inputs: ({ step, part }) => ({
        [KEY]: { dtype: 'int32', shape: [2], data: Int32Array.of(seed, 0x6d6165) },
        [COUNTER]: { dtype: 'int32', shape: [2], data: Int32Array.of(step, part - 1) },
      }),

      constants(_, { views, inputs }) {
        const batch = views[0]!.shape[0];
        const noise = ops.randomUniform([batch, count], take(inputs, KEY), take(inputs, COUNTER));
        const order = tf.topk(noise, count).indices as Tensor2D;
        const starts = Int32Array.from({ length: batch }, (_, row) => row * count);
        const places = tf.add(order, tf.tensor2d(starts, [batch, 1], 'int32')) as Tensor2D;
        const part = (from: number, size: number): Tensor1D =>
          tf.reshape(tf.slice(places, [0, from], [-1, size]), [-1]);
        const hidden = part(shown, count - shown);
        return { order, shown: part(0, shown), pixels: rowsAt(patches.cut(views[0]!), hidden) };
      },

      loss(weights, { views }, constants) {
        const φ = within(weights, 'backbone.');
        const visible = rowsAt(patches.embed(φ, views[0]!), take(constants, 'shown'));
        const tokens = patches.encode(φ, tf.reshape(visible, [-1, shown, backbone.width]));
        const predicted = decode(weights, tokens, take(constants, 'order'));
        const loss = patchLoss(
          tf.reshape<Rank.R2>(predicted, [-1, values]),
          take(constants, 'pixels'),
          options.normalisePixels,
        );
        return { loss, features: [patches.pool(tokens)], statistics: {} };
      },

      follow: () => ({}),
    };
  },
};
