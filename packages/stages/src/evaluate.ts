/** The evaluate stage: a linear probe and kNN on features of the plain images (method.md, section 3). */
import type { DatasetManifest, PriorModel, SplitName, StageResultOf, Training } from '@rela/contracts';
import type { Engine, Precision } from '@rela/engine';
import { createBackbone, knnPredict } from '@rela/learning';
import { type Embedder, openEmbedder } from '@rela/prior';
import { shardImages } from './embed.js';
import { viewSize } from './plan.js';
import { trainProbe } from './probe.js';
import { type StageTools, secondsSince } from './tools.js';

export interface EvaluateOptions {
  training: Training;
  manifest: DatasetManifest;
  /** Digest of the trained backbone as ONNX. */
  model: string;
  engine: Engine;
  /** Of the extraction of features: see `EmbedderOptions`. */
  precision?: Precision;
  threads: number;
}

export interface LabelledFeatures {
  /** float32 [n, d] */
  features: Float32Array;
  /** int32 [n]; −1 without a label */
  labels: Int32Array;
  /** d */
  width: number;
}

/** The trained backbone as the embedder reads it: an evaluation sees what a user who downloads the model sees. */
function asPrior({ training, manifest, model }: EvaluateOptions): PriorModel {
  const size = viewSize(training, manifest) ?? 0;
  const { channels, mean, std } = manifest;
  return {
    digest: model,
    model,
    input: 'images',
    output: 'features',
    pool: false,
    batch: null,
    width: createBackbone(training.backbone, { size, channels }).width,
    preprocessing: {
      height: size,
      width: size,
      channels,
      layout: 'nchw',
      dtype: 'float32',
      scale: 'unit',
      mean,
      std,
    },
  };
}

async function extractFeatures(
  split: SplitName,
  embedder: Embedder,
  { manifest }: EvaluateOptions,
  tools: StageTools,
  onImage: () => void,
): Promise<LabelledFeatures> {
  const { count, shards } = manifest.splits[split] ?? { count: 0, shards: [] };
  const features = new Float32Array(count * embedder.width);
  const labels = new Int32Array(count);
  let imagesDone = 0;
  let rowsDone = 0;
  for (const shard of shards) {
    async function* images() {
      for await (const image of shardImages(shard, tools, onImage)) {
        labels[imagesDone++] = image.label ?? -1;
        yield image;
      }
    }
    for await (const rows of embedder.embed(images())) {
      features.set(rows, rowsDone * embedder.width);
      rowsDone += rows.length / embedder.width;
    }
  }
  return { features, labels, width: embedder.width };
}

/** Accuracies are null where there are no labels or no test images. */
export async function evaluate(
  options: EvaluateOptions,
  tools: StageTools,
): Promise<StageResultOf<'evaluate'>> {
  const started = performance.now();
  const { training, manifest } = options;
  const classes = manifest.classes?.length ?? 0;
  if (classes === 0 || !manifest.splits.test || manifest.splits.test.count === 0)
    return { kind: 'evaluate', accuracy: null, accuracyStd: null, knn: null, seconds: secondsSince(started) };

  const total = manifest.splits.train.count + manifest.splits.test.count;
  let done = 0;
  const onImage = () => tools.progress(++done, total, 'images');
  const embedder = await openEmbedder(await tools.store.localPath(options.model), asPrior(options), {
    threads: options.threads,
    precision: options.precision ?? 'fast',
  });
  let trained: LabelledFeatures;
  let tested: LabelledFeatures;
  try {
    trained = await extractFeatures('train', embedder, options, tools, onImage);
    tested = await extractFeatures('test', embedder, options, tools, onImage);
  } finally {
    await embedder.dispose();
  }
  const { k, temperature } = training.evaluation.knn;
  const votes = await knnPredict({
    engine: options.engine,
    train: trained,
    test: tested,
    classes,
    k,
    temperature,
  });
  const probe = await trainProbe(
    { trained, tested, classes, seed: training.seed, engine: options.engine, ...training.evaluation.probe },
    tools,
  );
  return {
    kind: 'evaluate',
    ...probe,
    knn: accuracyOf(votes, tested.labels),
    seconds: secondsSince(started),
  };
}

/** Share of the labelled rows whose prediction is right. */
export function accuracyOf(predicted: ArrayLike<number>, labels: Int32Array): number {
  let right = 0;
  let labelled = 0;
  for (let row = 0; row < labels.length; row++) {
    if (labels[row]! < 0) continue;
    labelled++;
    if (predicted[row] === labels[row]) right++;
  }
  return labelled === 0 ? 0 : right / labelled;
}
