/** A training plan: the state of a run, and the step that changes it, for each of its two phases. */
import { type BlendSpec, ProblemError, type Training, type ViewRecipe } from '@rela/contracts';
import { type HostTensors, type StepFunction, type TensorSpec, type Tensors, tf } from '@rela/engine';
import { createRandom } from '@rela/random';
import type { Scalar, Tensor1D, Tensor2D, Tensor4D } from '@tensorflow/tfjs-core';
import { createAccumulation, isAccumulated } from './accumulation.js';
import { type Backbone, createBackbone } from './backbones/backbone.js';
import { clipByGlobalNorm } from './clip.js';
import { differentiate } from './differentiate.js';
import { scalar } from './initial.js';
import type { Batch, Method, Objective } from './methods/method.js';
import { createMethod } from './methods/registry.js';
import { only, take, under, within } from './names.js';
import { initClassifier, isClassifier, watch } from './online-classifier.js';
import { createOptimizer, isOptimizers } from './optimizers/optimizer.js';
import type { Phase } from './phase-rule.js';
import { blendWeight, learningRates, type RunLength, slowMomenta } from './rates.js';
import { createTransport, type Transport } from './transport.js';
import { relaViews } from './views.js';

export interface TrainingPlan {
  /**
   * Everything that a run carries: backbone, heads, slow networks, W, online classifier, moments. Equal keys in both phases.
   * @param backbone its first weights under its own names; absent: drawn from the seed
   */
  initialState(backbone?: HostTensors): HostTensors;
  /** How the views of a phase are made, in the order of their names. */
  views(phase: Phase): readonly ViewRecipe[];
  /**
   * Inputs of a step: view1, view2, … [B, H, W, C] float32, normalised, one a recipe of `views`; targets [B, k] float32 where the
   * ReLA loss is, alone or as a term; labels [B] int32 where there are classes (−1: not labelled); and what `scalars` gives. B is the batch size, or that of a part.
   */
  batchSpecs(phase: Phase): Record<string, TensorSpec>;
  /** Metrics: loss []; classifierCorrect [], of the B images of the first view, where there are classes. */
  step(phase: Phase): StepFunction;
  /** What a step finds out from its batch: gradients under the names of the parameters, what the state carries on, the metrics. */
  look(
    phase: Phase,
    state: Tensors,
    batch: Tensors,
  ): { gradients: Tensors; carried: Tensors; metrics: Tensors };
  /** What a step makes of gradients: the tensors of the state that move. @param batch what `scalars` gives */
  move(phase: Phase, state: Tensors, gradients: Tensors, batch: Tensors): Tensors;
  /**
   * Inputs that depend on the step, which counts from 1: the learning rate, and those of the method, whose schedules begin where its
   * own loss does.
   * @param at.part of the step's batch, from 1, which is the default
   * @param at.switchStep first step with the method's own loss; null, the default, before it is known, and without ReLA
   */
  scalars(step: number, at?: { part?: number; switchStep?: number | null }): HostTensors;
  /** Equal parts that a batch comes in; the step is run on each, and the last one moves the weights. */
  readonly parts: number;
  /** The backbone's weights and running statistics under its own names. */
  backboneWeights(state: HostTensors): HostTensors;
}

export interface TrainingPlanOptions {
  training: Training;
  image: { size: number; channels: number };
  /** Number of classes, null without labels. */
  classes: number | null;
  /** Width of the targets, null without ReLA. */
  k: number | null;
  /** What schedules go by; needed where the learning rate or a slow network has one. Default for methods: epochs of one step. */
  length?: RunLength;
}

/** @throws ProblemError `invalid-request` for what the method cannot work with, or a ReLA run without targets. */
export function createTrainingPlan(options: TrainingPlanOptions): TrainingPlan {
  const { training, image, classes } = options;
  const { batchSize, seed } = training;
  const backbone = createBackbone(training.backbone, image);
  return planAround(
    backbone,
    createMethod(training.method, { backbone, classes, image, batchSize, seed }),
    options,
  );
}

/** The same around any backbone and method. */
export function planAround(
  backbone: Backbone,
  method: Method,
  { training, image, classes, k, length }: TrainingPlanOptions,
): TrainingPlan {
  const transport = planTransport(backbone, training, k);
  const trains = trainedKeys(backbone, method, transport, training.rela?.blend !== undefined);
  const gateOf = (key: string) => method.movesWith?.(key) ?? null;
  const optimizer = createOptimizer(
    training.optimizer,
    (key) => gateOf(key) ?? (trains('rela', key) ? 'every' : 'method'),
  );
  const { clip, accumulate: parts = 1 } = training;
  const partSize = training.batchSize / parts;
  const accumulation = parts > 1 ? createAccumulation(parts) : null;
  const learningRate = learningRates(training, length);
  const momentum = slowMomenta(training, length);
  const scalarsOf = (step: number, part = 1): HostTensors => ({
    learningRate: scalar(learningRate(step)),
    ...(momentum ? { momentum: scalar(momentum(step)) } : {}),
    ...accumulation?.scalars(part),
  });
  const viewsOf = { rela: relaViews(image.size), method: method.views };
  const { stepsPerEpoch, totalSteps } = length ?? { stepsPerEpoch: 1, totalSteps: training.epochs };
  const blend = training.rela?.blend;
  const methodInputs = (step: number, part: number, first: number): HostTensors => {
    const at = { step: step - first + 1, totalSteps: totalSteps - first + 1, stepsPerEpoch, part };
    return {
      ...method.inputs?.(at),
      ...(blend ? { [BLEND_WEIGHT]: scalar(blendWeight(blend, at)) } : {}),
    };
  };
  /** What of the state a step of the optimizer moves; tensors behind a gate that is closed keep what they have. */
  const update = (state: Tensors, gradients: Tensors, batch: Tensors): Tensors => {
    const rate = take<Scalar>(batch, 'learningRate');
    const partOf = (gate: string | null) =>
      optimizer.update(
        state,
        only(gradients, (key) => gateOf(key) === gate),
        rate,
      );
    const updated = partOf(null);
    for (const gate of gatesOf(gradients, gateOf))
      Object.assign(updated, gated(state, partOf(gate), take<Scalar>(batch, gate)));
    return updated;
  };

  const look: TrainingPlan['look'] = (phase, state, batch) => {
    const minimise = objective(phase, method, { transport, blend }, state, batch);
    const parameters = only(state, (key) => trains(phase, key) && !isClassifier(key));
    const { loss, gradients, byproducts } = differentiate(parameters, () => {
      const { loss, features, statistics, next = {} } = minimise();
      return { loss, byproducts: { ...under('backbone.', statistics), ...next, features: features[0]! } };
    });
    const { features, ...carried } = byproducts;
    const watched =
      classes === null ? null : watch(state, features as Tensor2D, take<Tensor1D>(batch, 'labels'));
    return {
      gradients: { ...gradients, ...watched?.gradients },
      carried,
      metrics: { loss, ...(watched ? { classifierCorrect: watched.correct } : {}) },
    };
  };
  const move: TrainingPlan['move'] = (phase, state, gradients, batch) => {
    const clipped = clip
      ? { ...gradients, ...clipByGlobalNorm(only(gradients, isNotWatching), clip.norm) }
      : gradients;
    const updated = update(state, clipped, batch);
    const m = momentum ? take<Scalar>(batch, 'momentum') : undefined;
    const inputs = phase === 'rela' ? null : batch;
    return { ...updated, ...method.follow({ ...state, ...updated }, inputs, m) };
  };

  return {
    parts,

    initialState(given) {
      const random = createRandom(training.seed, 'initial state');
      const weights = given ?? backbone.init(random.fork('backbone'));
      const all = {
        ...under('backbone.', weights),
        ...method.init(random.fork('method'), weights),
        ...transport?.init(random),
        ...(classes === null ? {} : initClassifier(backbone.width, classes, random)),
      };
      const trained = only(
        all,
        (key) => trains('method', key) || (transport !== null && trains('rela', key)),
      );
      return { ...all, ...optimizer.init(trained), ...accumulation?.init(trained) };
    },

    views: (phase) => viewsOf[phase],

    batchSpecs(phase) {
      const views = viewsOf[phase].map(({ size }, place): [string, TensorSpec] => [
        viewName(place),
        { shape: [partSize, size, size, image.channels], dtype: 'float32' },
      ]);
      const isRela = phase === 'rela';
      const hasTargets = isRela || blend !== undefined;
      return {
        ...Object.fromEntries(views),
        ...(hasTargets ? { targets: { shape: [partSize, k ?? 0], dtype: 'float32' } } : {}),
        ...(classes === null ? {} : { labels: { shape: [partSize], dtype: 'int32' } }),
        ...specsOf(scalarsOf(1)),
        ...(isRela ? {} : specsOf(methodInputs(1, 1, 1))),
      };
    },

    step: (phase) => (state, batch) => {
      const { gradients, carried, metrics } = look(phase, state, batch);
      const all = accumulation?.add(state, gradients, batch) ?? gradients;
      const moved = move(phase, { ...state, ...carried }, all, batch);
      return {
        state: accumulation
          ? { ...accumulation.settle(state, moved, batch), ...carried, ...accumulation.keep(all) }
          : { ...carried, ...moved },
        metrics,
      };
    },

    look,
    move,

    scalars(step, { part = 1, switchStep = null } = {}) {
      const first = training.rela === null ? 1 : switchStep;
      return {
        ...scalarsOf(step, part),
        ...(first === null || step < first ? {} : methodInputs(step, part, first)),
      };
    },

    backboneWeights: (state) => within(state, 'backbone.'),
  };
}

function planTransport(backbone: Backbone, { rela }: Training, k: number | null): Transport | null {
  if (rela === null) return null;
  if (k === null)
    throw new ProblemError(
      'invalid-request',
      'A run with ReLA needs targets and there are none. Name a prior.',
    );
  return createTransport({ backbone, k, transport: rela.transport });
}

/** The weight of the ReLA loss in a step of a blend. */
const BLEND_WEIGHT = 'rela.weight';

const viewName = (place: number) => `view${place + 1}`;

const specsOf = (tensors: HostTensors): Record<string, TensorSpec> =>
  Object.fromEntries(Object.entries(tensors).map(([key, { shape, dtype }]) => [key, { shape, dtype }]));

const gatesOf = (tensors: Tensors, gateOf: (key: string) => string | null) =>
  new Set(Object.keys(tensors).flatMap((key) => gateOf(key) ?? []));

/** `next` where the gate is 1, what `state` has where it is 0. */
function gated(state: Tensors, next: Tensors, gate: Scalar): Tensors {
  const closed = tf.sub(1, gate);
  return Object.fromEntries(
    Object.entries(next).map(([key, tensor]) => [
      key,
      tf.add(tf.mul(tensor, gate), tf.mul(take(state, key), closed)),
    ]),
  );
}

const BACKBONE = 'backbone.';

/** The classifier that watches a run has no part in how far its weights move. */
const isNotWatching = (key: string) => !isClassifier(key);

/** Which tensors of the state a phase trains. */
function trainedKeys(backbone: Backbone, method: Method, transport: Transport | null, isBlend: boolean) {
  return (phase: Phase, key: string): boolean => {
    if (key.startsWith(BACKBONE)) return backbone.trainable(key.slice(BACKBONE.length));
    if (isClassifier(key)) return true;
    if (isOptimizers(key) || isAccumulated(key)) return false;
    if (key.startsWith('transport.'))
      return (phase === 'rela' || isBlend) && transport?.trainable(key) === true;
    return phase === 'method' && method.trainable(key);
  };
}

/** The loss of a phase, ready to be differentiated: its constants are computed here, outside. */
function objective(
  phase: Phase,
  method: Method,
  { transport, blend }: { transport: Transport | null; blend: BlendSpec | undefined },
  state: Tensors,
  batch: Tensors,
): () => Objective {
  const view = (place: number) => take<Tensor4D>(batch, viewName(place));
  switch (phase) {
    case 'rela': {
      if (!transport) throw new RangeError('This run has no ReLA phase: it has no targets.');
      const targets = take<Tensor2D>(batch, 'targets');
      return () => transport.loss(state, [view(0), view(1)], targets);
    }
    case 'method': {
      const { labels } = batch as { labels?: Tensor1D };
      const views = method.views.map((_, place) => view(place));
      const seen: Batch = { views, inputs: batch, ...(labels ? { labels } : {}) };
      const constants = method.constants(state, seen);
      if (!transport || !blend) return () => method.loss(state, seen, constants);
      return () => {
        const own = method.loss(state, seen, constants);
        const distance = transport.distance(state, own.features, take(batch, 'targets'));
        return { ...own, loss: tf.add(own.loss, tf.mul(take<Scalar>(batch, BLEND_WEIGHT), distance)) };
      };
    }
    default:
      return phase satisfies never;
  }
}
