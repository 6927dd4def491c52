/**
 * Fine-tuning with a share of the labels, after the protocol of SimCLR (Chen et al. 2020, appendix B.5): the whole network and a new
 * linear classifier, SGD with Nesterov momentum 0.9, a learning rate of 0.05 · batch / 256 without warm-up, no weight decay, 60 epochs
 * for 1 % and 30 for more, as many images of every class. Scaled to smaller machines: batches of 256 instead of 4096, or of all images
 * where there are fewer. The learning rate falls along a cosine, as in their code, and views are those of supervised training here.
 */
import { randomUUID } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type DatasetManifest, ProblemError, type StageResultOf, type Training } from '@rela/contracts';
import { type Engine, type HostTensors, type Precision, parsePlan } from '@rela/engine';
import { createBackbone, createTrainingPlan, exportBackbone, largest, linearScores } from '@rela/learning';
import { openBackbone } from './backbone-embedder.js';
import { shardImages } from './embed.js';
import { accuracyOf } from './evaluate.js';
import { labelledSubset } from './labelled-subset.js';
import { labelsOf } from './labels.js';
import { viewSize } from './plan-widths.js';
import { type StageTools, secondsSince } from './tools.js';
import { openFeed } from './train/feed.js';
import { createSchedule } from './train/schedule.js';
import { readWeights } from './weights-file.js';

export interface FinetuneOptions {
  training: Training;
  manifest: DatasetManifest;
  share: number;
  /** Digest of the run's backbone as a weight file. */
  weights: string;
  engine: Engine;
  /** Of the look at the test images: see `EmbedderOptions`. */
  precision?: Precision;
  threads: number;
  loaderThreads: number;
  /** Folder for files that are needed for a moment. */
  scratch: string;
}

/** The epochs of a share, where the request does not name them. */
const EPOCHS = { few: 60, more: 30, fewUpTo: 0.01 };
const MOMENTUM = 0.9;

/** The training that fine-tuning is. @param images labelled images of the share */
export function finetuning(training: Training, share: number, images: number): Training {
  const { backbone, imageSize, seed, evaluation } = training;
  const { finetune: spec } = evaluation;
  if (!spec) throw new RangeError('This run asks for no fine-tuning.');
  return {
    method: { name: 'supervised' },
    backbone,
    rela: null,
    dataRatio: 1,
    epochs: spec.epochs ?? (share <= EPOCHS.fewUpTo ? EPOCHS.few : EPOCHS.more),
    batchSize: Math.min(spec.batchSize, images),
    ...(imageSize === undefined ? {} : { imageSize }),
    optimizer: {
      ...{ name: 'sgd', learningRate: spec.learningRate, scaling: 'linear' },
      ...{ weightDecay: 0, momentum: MOMENTUM, nesterov: true },
    },
    schedule: { name: 'cosine', warmupEpochs: 0, final: 0 },
    seed,
    evaluation,
  };
}

export async function finetune(
  options: FinetuneOptions,
  tools: StageTools,
): Promise<StageResultOf<'evaluate'>> {
  const started = performance.now();
  const { manifest, share, engine } = options;
  const classes = manifest.classes ?? [];
  const kept = labelledSubset({
    labels: await labelsOf(manifest, 'train', tools.store),
    ...{ classes, share, seed: options.training.seed },
  });
  const training = finetuning(options.training, share, kept.length);
  const image = { size: viewSize(training, manifest) ?? 0, channels: manifest.channels };
  const backbone = createBackbone(training.backbone, image);
  const schedule = createSchedule({ ...training, images: kept.length, kept });
  const plan = createTrainingPlan({ training, image, classes: classes.length, k: null, length: schedule });
  const first = await readWeights(tools.store, options.weights, backbone);
  const feed = openFeed({
    ...{ training, manifest, plan, targets: null, phase: 'method' as const, store: tools.store },
    batches: schedule.batches(1),
    batchSize: training.batchSize,
    threads: options.loaderThreads,
  });
  let state: HostTensors;
  let flops: number;
  try {
    const step = await engine.compile(
      plan.step('method'),
      plan.initialState(first),
      plan.batchSpecs('method'),
      { takeState: true, plan: parsePlan({}) },
    );
    try {
      for (let at = 1; at <= schedule.totalSteps; at++) {
        tools.signal.throwIfAborted();
        const batch = await feed.next();
        const { loss } = await step.run({ ...batch.tensors, ...plan.scalars(at) });
        batch.release();
        if (!Number.isFinite(loss!.data[0]))
          throw new ProblemError(
            'invalid-data',
            `Fine-tuning with ${share} of the labels stopped at step ${at}: the loss is not finite. Lower evaluation.finetune.learningRate (${options.training.evaluation.finetune?.learningRate}).`,
          );
        tools.progress(at, schedule.totalSteps, 'steps');
      }
      state = await step.state();
      flops = step.flops * schedule.totalSteps;
    } finally {
      await step.dispose();
    }
  } finally {
    await feed.close();
  }
  return {
    kind: 'evaluate',
    accuracy: await testAccuracy(state, plan.backboneWeights(state), options, tools),
    accuracyStd: null,
    knn: null,
    seconds: secondsSince(started),
    finetune: {
      images: kept.length,
      epochs: training.epochs,
      batchSize: training.batchSize,
      steps: schedule.totalSteps,
      flops,
    },
  };
}

/** Accuracy of the whole network on the plain test images, with running statistics. */
async function testAccuracy(
  state: HostTensors,
  weights: HostTensors,
  options: FinetuneOptions,
  tools: StageTools,
): Promise<number> {
  const { training, manifest, scratch } = options;
  const image = { size: viewSize(training, manifest) ?? 0, channels: manifest.channels };
  const onnx = exportBackbone(createBackbone(training.backbone, image), weights, {
    ...image,
    mean: manifest.mean,
    std: manifest.std,
  });
  await mkdir(scratch, { recursive: true });
  const path = join(scratch, `finetuned-${randomUUID()}.onnx`);
  await writeFile(path, onnx);
  try {
    // Its own digest is of no use to anybody; what names it in an error are the weights that it came from.
    const embedder = await openBackbone(path, { training, manifest, model: options.weights }, options);
    try {
      const labels = await labelsOf(manifest, 'test', tools.store);
      const predicted = new Int32Array(labels.length);
      let done = 0;
      for (const shard of manifest.splits.test?.shards ?? []) {
        const images = shardImages(shard, tools, () => undefined);
        for await (const rows of embedder.embed(images)) {
          const scores = linearScores(state['head.weight']!, state['head.bias']!, rows);
          const named = largest(scores, manifest.classes?.length ?? 0);
          predicted.set(named, done);
          done += named.length;
        }
      }
      return accuracyOf(predicted, labels);
    } finally {
      await embedder.dispose();
    }
  } finally {
    await rm(path, { force: true });
  }
}
