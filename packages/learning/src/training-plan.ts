/** A training plan: the state of a run, and the step that changes it, for each of its two phases. */
import { ProblemError, type Training } from '@rela/contracts';
import type { HostTensors, StepFunction, TensorSpec, Tensors } from '@rela/engine';
import { createRandom } from '@rela/random';
import type { Scalar, Tensor1D, Tensor2D, Tensor4D } from '@tensorflow/tfjs-core';
import { createAccumulation, isAccumulated } from './accumulation.js';
import { type Backbone, createBackbone } from './backbones/backbone.js';
import { clipByGlobalNorm } from './clip.js';
import { differentiate } from './differentiate.js';
import { scalar } from './initial.js';
import { createMethod, type Method, type Objective } from './methods/method.js';
import { only, take, under, within } from './names.js';
import { initClassifier, isClassifier, watch } from './online-classifier.js';
import { createOptimizer, isOptimizers } from './optimizers/optimizer.js';
import type { Phase } from './phase-rule.js';
import { learningRates, type RunLength, slowMomenta } from './rates.js';
import { createTransport, type Transport } from './transport.js';

export interface TrainingPlan {
  /**
   * Everything that a run carries: backbone, heads, slow networks, W, online classifier, moments. Equal keys in both phases.
   * @param backbone its first weights under its own names; absent: drawn from the seed
   */
  initialState(backbone?: HostTensors): HostTensors;
  /**
   * Inputs of a step: view1, view2 [B, H, W, C] float32, normalised; targets [B, k] float32 in the ReLA phase; labels [B]
   * int32 where there are classes (−1: not labelled); and the scalars of `scalars`. B is the batch size, or that of a part.
   */
  batchSpecs(phase: Phase): Record<string, TensorSpec>;
  /** Metrics: loss []; classifierCorrect [], of the B images of the first view, where there are classes. */
  step(phase: Phase): StepFunction;
  /** Inputs that depend on the step, which counts from 1, and on the part of its batch. */
  scalars(step: number, part?: number): HostTensors;
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
  /** Needed where a schedule depends on it. */
  length?: RunLength;
}

/** @throws ProblemError `invalid-request` for a supervised run without labels, or a ReLA run without targets. */
export function createTrainingPlan(options: TrainingPlanOptions): TrainingPlan {
  return planAround(createBackbone(options.training.backbone, options.image), options);
}

/** The same around any backbone. */
export function planAround(
  backbone: Backbone,
  { training, image, classes, k, length }: TrainingPlanOptions,
): TrainingPlan {
  const method = createMethod(training.method, { backbone, classes });
  const transport = planTransport(backbone, training, k);
  const trains = trainedKeys(backbone, method, transport);
  const optimizer = createOptimizer(training.optimizer, (key) => (trains('rela', key) ? 'every' : 'method'));
  const { clip, accumulate: parts = 1 } = training;
  const partSize = training.batchSize / parts;
  const accumulation = parts > 1 ? createAccumulation(parts) : null;
  const learningRate = learningRates(training, length);
  const momentum = slowMomenta(training, length);
  const scalars = (step: number, part = 1): HostTensors => ({
    learningRate: scalar(learningRate(step)),
    ...(momentum ? { momentum: scalar(momentum(step)) } : {}),
    ...accumulation?.scalars(part),
  });

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

    batchSpecs(phase) {
      const view: TensorSpec = {
        shape: [partSize, image.size, image.size, image.channels],
        dtype: 'float32',
      };
      const isRela = phase === 'rela';
      return {
        view1: view,
        ...(isRela || method.views === 2 ? { view2: view } : {}),
        ...(isRela ? { targets: { shape: [partSize, k ?? 0], dtype: 'float32' } } : {}),
        ...(classes === null ? {} : { labels: { shape: [partSize], dtype: 'int32' } }),
        ...Object.fromEntries(
          Object.keys(scalars(1)).map((key) => [key, { shape: [], dtype: 'float32' as const }]),
        ),
      };
    },

    step: (phase) => (state, batch) => {
      const minimise = objective(phase, method, transport, state, batch);
      const parameters = only(state, (key) => trains(phase, key) && !isClassifier(key));
      const { loss, gradients, byproducts } = differentiate(parameters, () => {
        const { loss, features, statistics } = minimise();
        return { loss, byproducts: { ...under('backbone.', statistics), features } };
      });
      const { features, ...statistics } = byproducts;
      const watched =
        classes === null ? null : watch(state, features as Tensor2D, take<Tensor1D>(batch, 'labels'));
      const part = { ...gradients, ...watched?.gradients };
      const all = accumulation?.add(state, part, batch) ?? part;
      const clipped = clip ? { ...all, ...clipByGlobalNorm(only(all, isNotWatching), clip.norm) } : all;
      const updated = optimizer.update(state, clipped, take<Scalar>(batch, 'learningRate'));
      const m = momentum ? take<Scalar>(batch, 'momentum') : undefined;
      const moved = { ...updated, ...method.follow({ ...state, ...updated, ...statistics }, m) };
      return {
        state: accumulation
          ? { ...accumulation.settle(state, moved, batch), ...statistics, ...accumulation.keep(all) }
          : { ...updated, ...statistics, ...moved },
        metrics: { loss, ...(watched ? { classifierCorrect: watched.correct } : {}) },
      };
    },

    scalars,
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

const BACKBONE = 'backbone.';

/** The classifier that watches a run has no part in how far its weights move. */
const isNotWatching = (key: string) => !isClassifier(key);

/** Which tensors of the state a phase trains. */
function trainedKeys(backbone: Backbone, method: Method, transport: Transport | null) {
  return (phase: Phase, key: string): boolean => {
    if (key.startsWith(BACKBONE)) return backbone.trainable(key.slice(BACKBONE.length));
    if (isClassifier(key)) return true;
    if (isOptimizers(key) || isAccumulated(key)) return false;
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
  const view1 = take<Tensor4D>(batch, 'view1');
  switch (phase) {
    case 'rela': {
      if (!transport) throw new RangeError('This run has no ReLA phase: it has no targets.');
      const view2 = take<Tensor4D>(batch, 'view2');
      const targets = take<Tensor2D>(batch, 'targets');
      return () => transport.loss(state, { view1, view2, targets });
    }
    case 'method': {
      const { view2, labels } = batch as { view2?: Tensor4D; labels?: Tensor1D };
      const views = { view1, ...(view2 ? { view2 } : {}), ...(labels ? { labels } : {}) };
      const constants = method.constants(state, views);
      return () => method.loss(state, views, constants);
    }
    default:
      return phase satisfies never;
  }
}
