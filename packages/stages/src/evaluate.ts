/** The evaluate stage: a linear probe and kNN on features of the plain images (method.md, section 3). */
import type { DatasetManifest, FeatureFiles, SplitName, StageResultOf, Training } from '@rela/contracts';
import type { Engine, Precision } from '@rela/engine';
import { knnPredict } from '@rela/learning';
import type { Embedder } from '@rela/prior';
import { openBackbone } from './backbone-embedder.js';
import { shardImages } from './embed.js';
import { FeatureFile } from './feature-file.js';
import { hasTest } from './labels.js';
import { trainProbe } from './probe.js';
import { type StageTools, secondsSince } from './tools.js';

export interface EvaluateOptions {
  training: Training;
  /** Of the data set that was trained on. */
  manifest: DatasetManifest;
  /** Another data set, whose images are looked at instead. */
  transfer?: DatasetManifest;
  /** Digest of the trained backbone as ONNX. */
  model: string;
  engine: Engine;
  /** Of the extraction of features: see `EmbedderOptions`. */
  precision?: Precision;
  threads: number;
  /** Folder for features while they are needed. */
  scratch: string;
}

async function extractFeatures(
  { count, shards }: DatasetManifest['splits']['train'],
  embedder: Embedder,
  scratch: string,
  tools: StageTools,
  onImage: () => void,
): Promise<FeatureFile> {
  const file = await FeatureFile.create(scratch, count, embedder.width);
  try {
    let imagesDone = 0;
    for (const shard of shards) {
      async function* images() {
        for await (const image of shardImages(shard, tools, onImage)) {
          file.labels[imagesDone++] = image.label ?? -1;
          yield image;
        }
      }
      for await (const rows of embedder.embed(images())) file.append(rows);
    }
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Accuracies are null where there are no labels or no test images. Memory does not grow with the data set but by its labels. */
export async function evaluate(
  options: EvaluateOptions,
  tools: StageTools,
): Promise<StageResultOf<'evaluate'>> {
  const started = performance.now();
  const { training, transfer, scratch } = options;
  const data = transfer ?? options.manifest;
  const format = transfer ? undefined : training.evaluation.features;
  const isJudged = hasTest(data);
  const splits = (['train', 'test'] as const).filter((name) => data.splits[name] !== null);
  const total = splits.reduce((sum, name) => sum + data.splits[name]!.count, 0);
  let done = 0;
  const onImage = () => tools.progress(++done, total, 'images');
  const files: Partial<Record<SplitName, FeatureFile>> = {};
  try {
    if (isJudged || format) {
      const path = await tools.store.localPath(options.model);
      const embedder = await openBackbone(path, options, options);
      try {
        for (const name of splits)
          files[name] = await extractFeatures(data.splits[name]!, embedder, scratch, tools, onImage);
      } finally {
        await embedder.dispose();
      }
    }
    const features = format ? await keep(files, { format, classes: data.classes }, tools) : undefined;
    const judged =
      isJudged && files.train && files.test
        ? await judge({ trained: files.train, tested: files.test }, data.classes!.length, options, tools)
        : { accuracy: null, accuracyStd: null, knn: null };
    return {
      kind: 'evaluate',
      ...judged,
      seconds: secondsSince(started),
      ...(features ? { features } : {}),
    };
  } finally {
    for (const file of Object.values(files)) await file.close();
  }
}

async function judge(
  { trained, tested }: { trained: FeatureFile; tested: FeatureFile },
  classes: number,
  { training, engine }: EvaluateOptions,
  tools: StageTools,
): Promise<{ accuracy: number; accuracyStd: number; knn: number }> {
  const votes = await knnPredict({
    engine,
    train: trained,
    test: tested,
    classes,
    ...training.evaluation.knn,
    signal: tools.signal,
  });
  const probe = await trainProbe(
    { trained, tested, classes, seed: training.seed, engine, ...training.evaluation.probe },
    tools,
  );
  return { ...probe, knn: accuracyOf(votes, tested.labels) };
}

interface KeepOptions {
  format: NonNullable<Training['evaluation']['features']>;
  classes: DatasetManifest['classes'];
}

async function keep(
  files: Partial<Record<SplitName, FeatureFile>>,
  { format, classes }: KeepOptions,
  { store, signal }: StageTools,
): Promise<FeatureFiles[]> {
  const kept: FeatureFiles[] = [];
  for (const split of ['train', 'test'] as const) {
    const file = files[split];
    if (!file) continue;
    const table = { split, rows: file.labels.length, width: file.width };
    switch (format) {
      case 'npy': {
        const { features, labels } = await file.storeNpy(store, { signal });
        kept.push({
          ...{ format, ...table, features: features.digest, featuresBytes: features.bytes },
          ...{ labels: labels.digest, labelsBytes: labels.bytes },
        });
        break;
      }
      case 'parquet': {
        const { digest, bytes } = await file.storeParquet(classes, store, { signal });
        kept.push({ format, ...table, features: digest, featuresBytes: bytes });
        break;
      }
      default:
        format satisfies never;
    }
  }
  return kept;
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
