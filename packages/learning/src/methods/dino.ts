/**
 * DINO: Caron et al., "Emerging Properties in Self-Supervised Vision Transformers" (ICCV 2021), algorithm 1 and section 3.1, with the
 * head of method.md, section 2.
 *
 *   student θ and teacher ξ: backbone φ; head d → hidden → bottleneck with batch norm and GELU; length 1; prototypes of length 1
 *   s = logits of the student on all crops, t = logits of the teacher on the two global ones
 *   P_t = softmax((t − c) / τ_t),  P_s = softmax(s / τ_s)
 *   loss = mean over pairs (global crop of the teacher, another crop of the student) of mean_B[−Σ P_t · log P_s]
 *   c ← m_c·c + (1 − m_c)·mean of t;  after the optimizer's step ξ ← m·ξ + (1 − m)·θ
 *
 * m rises from its start to 1 along a cosine, τ_t linearly over the warm-up's epochs, and the prototypes stay as they are for the first
 * ones; all three count from the first step with this loss. Crops of one size are one batch to the backbone and all crops one to the
 * head, as in the authors' code, so that batch norm sees them together.
 */
import type { MethodOptions, ViewRecipe } from '@rela/contracts';
import { ops, type Tensors, tf } from '@rela/engine';
import type { Scalar, Tensor1D, Tensor2D, Tensor4D } from '@tensorflow/tfjs-core';
import { filled, linear, scalar } from '../initial.js';
import { normalizeRows } from '../losses.js';
import { follow, WARMING } from '../moving-average.js';
import { only, take, under, within } from '../names.js';
import { blurred, coloured, isSmall, plainView, resizedCrop } from '../views.js';
import { applyHead, initHead } from './head.js';
import type { MethodPage } from './method.js';
import { forwardStacked, rowsOf, viewsOf } from './two-views.js';

type Options = MethodOptions<'dino'>;

const HEAD = 'head';
const PROTOTYPES = 'prototypes.weight';
const CENTRE = 'centre';
const TARGET = 'target.';
/** Inputs of a step. */
const MOMENTUM = 'dino.momentum';
const TEACHER_TEMPERATURE = 'dino.teacherTemperature';
const PROTOTYPES_MOVE = 'dino.prototypesMove';

const GLOBALS = 2;
/** Section 3.2; of small images none, as in Sun et al. 2024. */
const LOCALS = 8;

const isStudent = (key: string) =>
  key.startsWith('backbone.') || key.startsWith(`${HEAD}.`) || key === PROTOTYPES;

const localViewsOf = ({ localViews }: Options, size: number) => localViews ?? (isSmall(size) ? 0 : LOCALS);
/** 96 of 224 pixels, section 3.1. */
const localSizeOf = ({ localSize }: Options, size: number) =>
  localSize ?? Math.max(4, Math.round((size * 3) / 7));

/**
 * BYOL's colours, blur and solarisation (section 3.2). Global crops show at least 0.4 of the image and local ones at most, from 0.05 on,
 * as in the authors' code; of small images from 0.2 on.
 */
function dinoViews(options: Options, size: number): ViewRecipe[] {
  const shared = { ...coloured(0.4, 0.4, 0.2, 0.1), flip: 0.5 };
  const whole = { ...plainView(size, resizedCrop(0.4)), ...shared };
  const small = localSizeOf(options, size);
  const local = {
    ...plainView(small, resizedCrop(isSmall(size) ? 0.2 : 0.05, 0.4)),
    ...shared,
    blur: blurred(size, 0.5) && { p: 0.5, kernel: 2 * Math.floor(small / 20) + 1 },
  };
  return [
    { ...whole, blur: blurred(size, 1) },
    { ...whole, blur: blurred(size, 0.1), solarize: 0.2 },
    ...Array.from({ length: localViewsOf(options, size) }, () => local),
  ];
}

/** m from `start` to 1 along a cosine, at a share of the way from 0 to 1. */
function cosineToOne(start: number, share: number): number {
  return 1 - ((1 - start) * (1 + Math.cos(Math.PI * share))) / 2;
}

/**
 * The loss of teacher probabilities [2·B, K] against student logits over τ_s [crops·B, K], crop below crop, the global ones first: the
 * mean over all pairs of different crops.
 */
export function dinoLoss(teacher: Tensor2D, student: Tensor2D, crops: number): Scalar {
  const logs = Array.from({ length: crops }, (_, crop) => tf.logSoftmax(rowsOf(student, crop, crops)));
  const terms = [0, 1].flatMap((seen) =>
    logs.flatMap((log, crop) => (crop === seen ? [] : tf.sum(tf.mul(rowsOf(teacher, seen, GLOBALS), log)))),
  );
  const rows = student.shape[0] / crops;
  return tf.neg(tf.div(tf.addN(terms), terms.length * rows)) as Scalar;
}

/** h [rows, d] → logits [rows, K] */
function logitsOf(weights: Tensors, h: Tensor2D): Tensor2D {
  const z = normalizeRows(applyHead(weights, HEAD, h, ops.gelu));
  const directions = take<Tensor2D>(weights, PROTOTYPES);
  const lengths = tf.sqrt(tf.sum(tf.square(directions), 0, true));
  return tf.matMul(z, tf.div(directions, lengths) as Tensor2D);
}

export const dino: MethodPage<Options> = {
  faults(options, { image }) {
    const { size } = image;
    const small = localSizeOf(options, size);
    if (localViewsOf(options, size) === 0 || small <= size) return [];
    const message = `is ${small}, and the images are ${size} pixels wide; take at most ${size}, or localViews: 0`;
    return [{ path: ['method', 'localSize'], message }];
  },

  create(options, { backbone, image }) {
    const { prototypes, hidden, bottleneck, studentTemperature, centreMomentum } = options;
    const views = dinoViews(options, image.size);

    return {
      views,

      init(random, backboneWeights) {
        const { weight } = linear(bottleneck, prototypes, random.fork(PROTOTYPES), { bias: false });
        const student = {
          ...initHead(HEAD, [backbone.width, hidden, bottleneck], random),
          [PROTOTYPES]: weight!,
        };
        const teacher = under(TARGET, { ...under('backbone.', backboneWeights), ...student });
        return { ...student, ...teacher, [CENTRE]: filled([prototypes], 0) };
      },

      trainable: (key) => isStudent(key),
      movesWith: (key) => (key === PROTOTYPES ? PROTOTYPES_MOVE : null),

      inputs({ step, totalSteps, stepsPerEpoch }) {
        const { momentum, warmupTeacherTemperature: from, teacherTemperature: to } = options;
        const epochs = (step - 1) / stepsPerEpoch;
        const warm =
          options.warmupTeacherEpochs === 0 ? 1 : Math.min(1, epochs / options.warmupTeacherEpochs);
        return {
          [MOMENTUM]: scalar(cosineToOne(momentum, (step - 1) / totalSteps)),
          [TEACHER_TEMPERATURE]: scalar(from + (to - from) * warm),
          [PROTOTYPES_MOVE]: scalar(epochs < options.frozenPrototypesEpochs ? 0 : 1),
        };
      },

      constants(weights, { views: crops, inputs }) {
        const network = within(weights, TARGET);
        const { features } = forwardStacked(backbone, network, crops.slice(0, GLOBALS));
        const logits = logitsOf(network, features);
        const centre = take<Tensor1D>(weights, CENTRE);
        const mean: Tensor1D = tf.mean(logits, 0);
        return {
          teacher: tf.softmax(tf.div(tf.sub(logits, centre), take(inputs, TEACHER_TEMPERATURE))),
          centre: tf.add(tf.mul(centre, centreMomentum), tf.mul(mean, 1 - centreMomentum)),
        };
      },

      loss(weights, { views: crops }, constants) {
        const { features, statistics, globals } = forwardBySize(crops, (stack, state) =>
          forwardStacked(backbone, { ...weights, ...under('backbone.', state) }, stack),
        );
        const logits: Tensor2D = tf.div(logitsOf(weights, features), studentTemperature);
        const loss = dinoLoss(take<Tensor2D>(constants, 'teacher'), logits, crops.length);
        return { loss, features: globals, statistics, next: { [CENTRE]: take(constants, 'centre') } };
      },

      follow(weights, inputs, scheduled) {
        const m = scheduled ?? (inputs === null ? WARMING : take<Scalar>(inputs, MOMENTUM));
        return under(TARGET, follow(within(weights, TARGET), only(weights, isStudent), m));
      },
    };
  },
};

/**
 * The global crops as one batch and then the local ones as one, the running statistics taking in the one, then the other.
 * @returns features of all [crops · B, d], and of each global crop [B, d]
 */
function forwardBySize(
  crops: readonly Tensor4D[],
  forward: (stack: Tensor4D[], statistics: Tensors) => { features: Tensor2D; statistics: Tensors },
): { features: Tensor2D; globals: Tensor2D[]; statistics: Tensors } {
  const large = forward(crops.slice(0, GLOBALS), {});
  const globals = viewsOf(large.features, GLOBALS);
  const locals = crops.slice(GLOBALS);
  if (locals.length === 0) return { ...large, globals };
  const small = forward(locals, large.statistics);
  return { globals, features: tf.concat([large.features, small.features], 0), statistics: small.statistics };
}
