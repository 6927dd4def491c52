/** A training plan: the state of a run, and the step that changes it, for each of its two phases. */
import { ProblemError, type Training, type ViewRecipe } from '@rela/contracts';
import { type HostTensors, type StepFunction, type TensorSpec, type Tensors, tf } from '@rela/engine';
import { createRandom } from '@rela/random';
import type { Scalar, Tensor1D, Tensor2D, Tensor4D } from '@tensorflow/tfjs-core';
import { createAdamW } from './adamw.js';
import { type Backbone, createBackbone } from './backbones/backbone.js';
import { differentiate } from './differentiate.js';
import { scalar } from './initial.js';
import type { Batch, Method, Objective } from './methods/method.js';
import { createMethod } from './methods/registry.js';
import { only, take, under, within } from './names.js';
import { initClassifier, isClassifier, watch } from './online-classifier.js';
import type { Phase } from './phase-rule.js';
import { createTransport, type Transport } from './transport.js';
import { relaViews } from './views.js';

export interface TrainingPlan {
  /** Everything that a run carries: backbone, heads, slow networks, W, online classifier, moments. Equal keys in both phases. */
  initialState(): HostTensors;
  /** How the views of a phase are made, in the order of their names. */
  views(phase: Phase): readonly ViewRecipe[];
  /**
   * Inputs of a step: view1, view2, … [B, H, W, C] float32, normalised, one a recipe of `views`; targets [B, k] float32 in the ReLA
   * phase; labels [B] int32 where there are classes (−1: not labelled); and what `scalars` gives.
   */
  batchSpecs(phase: Phase): Record<string, TensorSpec>;
  /** Metrics: loss []; classifierCorrect [], of the B images of the first view, where there are classes. */
  step(phase: Phase): StepFunction;
  /**
   * Inputs that depend on the step, which counts from 1: the learning rate, and those of the method, whose schedules begin where its
   * own loss does.
   * @param switchStep first step with the method's own loss; null before it is known, and without ReLA
   */
  scalars(step: number, switchStep?: number | null): HostTensors;
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
  /** What schedules of methods go by. Default: epochs of one step. */
  length?: { stepsPerEpoch: number; totalSteps: number };
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
  const trains = trainedKeys(backbone, method, transport);
  const gateOf = (key: string) => method.movesWith?.(key) ?? null;
  const adamw = createAdamW(
    training.optimizer,
    (key) => gateOf(key) ?? (trains('rela', key) ? 'every' : 'method'),
  );
  const { batchSize } = training;
  const viewsOf = { rela: relaViews(image.size), method: method.views };
  const { stepsPerEpoch, totalSteps } = length ?? { stepsPerEpoch: 1, totalSteps: training.epochs };
  const methodInputs = (step: number, first: number): HostTensors =>
    method.inputs?.({ step: step - first + 1, totalSteps: totalSteps - first + 1, stepsPerEpoch }) ?? {};

  return {
    initialState() {
      const random = createRandom(training.seed, 'initial state');
      const weights = backbone.init(random.fork('backbone'));
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
      return { ...all, ...adamw.init(trained) };
    },

    views: (phase) => viewsOf[phase],

    batchSpecs(phase) {
      const views = viewsOf[phase].map(({ size }, place): [string, TensorSpec] => [
        viewName(place),
        { shape: [batchSize, size, size, image.channels], dtype: 'float32' },
      ]);
      const isRela = phase === 'rela';
      return {
        ...Object.fromEntries(views),
        ...(isRela ? { targets: { shape: [batchSize, k ?? 0], dtype: 'float32' } } : {}),
        ...(classes === null ? {} : { labels: { shape: [batchSize], dtype: 'int32' } }),
        learningRate: { shape: [], dtype: 'float32' },
        ...(isRela ? {} : specsOf(methodInputs(1, 1))),
      };
    },

    step: (phase) => (state, batch) => {
      const minimise = objective(phase, method, transport, state, batch);
      const parameters = only(state, (key) => trains(phase, key) && !isClassifier(key));
      const { loss, gradients, byproducts } = differentiate(parameters, () => {
        const { loss, features, statistics, next = {} } = minimise();
        return { loss, byproducts: { ...under('backbone.', statistics), ...next, features } };
      });
      const { features, ...carried } = byproducts;
      const watched =
        classes === null ? null : watch(state, features as Tensor2D, take<Tensor1D>(batch, 'labels'));
      const all = { ...gradients, ...watched?.gradients };
      const learningRate = take<Scalar>(batch, 'learningRate');
      const moved = (part: Tensors) => adamw.update(state, part, learningRate);
      const changed = { ...moved(only(all, (key) => gateOf(key) === null)), ...carried };
      for (const gate of gatesOf(all, gateOf)) {
        const part = moved(only(all, (key) => gateOf(key) === gate));
        Object.assign(changed, gated(state, part, take<Scalar>(batch, gate)));
      }
      return {
        state: { ...changed, ...method.follow({ ...state, ...changed }, phase === 'rela' ? null : batch) },
        metrics: { loss, ...(watched ? { classifierCorrect: watched.correct } : {}) },
      };
    },

    scalars(step, switchStep = null) {
      const first = training.rela === null ? 1 : switchStep;
      return {
        learningRate: scalar(training.optimizer.learningRate),
        ...(first === null || step < first ? {} : methodInputs(step, first)),
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

/** Which tensors of the state a phase trains. */
function trainedKeys(backbone: Backbone, method: Method, transport: Transport | null) {
  return (phase: Phase, key: string): boolean => {
    if (key.startsWith(BACKBONE)) return backbone.trainable(key.slice(BACKBONE.length));
    if (isClassifier(key)) return true;
    if (key.startsWith('adamw.')) return false;
    if (key.startsWith('transport.')) return phase === 'rela' && transport?.trainable(key) === true;
    return phase === 'method' && method.trainable(key);
  };
}

/** The loss of a phase, ready to be differentiated: its constants are computed here, outside. */
function objective(
  phase: Phase,
  method: Method,
  transport: Transport | null,
  state: Tensors,
  batch: Tensors,
): () => Objective {
  const view = (place: number) => take<Tensor4D>(batch, viewName(place));
  switch (phase) {
    case 'rela': {
      if (!transport) throw new RangeError('This run has no ReLA phase: it has no targets.');
      const targets = take<Tensor2D>(batch, 'targets');
      return () => transport.loss(state, { view1: view(0), view2: view(1), targets });
    }
    case 'method': {
      const { labels } = batch as { labels?: Tensor1D };
      const views = method.views.map((_, place) => view(place));
      const seen: Batch = { views, inputs: batch, ...(labels ? { labels } : {}) };
      const constants = method.constants(state, seen);
      return () => method.loss(state, seen, constants);
    }
    default:
      return phase satisfies never;
  }
}
