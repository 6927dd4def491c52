// The demo's experiment by the stages themselves, without a service: data, a prior, training with and without it, evaluation.
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { DatasetCreate, TargetsManifest, Training } from '@rela/contracts';
import { ingest } from '@rela/datasets';
import { createBackbone } from '@rela/learning';
import { EmbedderCache, embedShard, evaluate, readJson, reduceTargets, train } from '@rela/stages';
import { PROCESSORS } from './machine.mjs';
import { registerPrior } from './prior.mjs';

/** What the demo has fetched need not be fetched again. */
const downloads = fileURLToPath(new URL('../.rela/demo/downloads', import.meta.url));
/** As train workers have it: apps/train-worker/src/child.ts. */
export const LOADER_THREADS = 1;

export const toolsOf = (store) => ({
  store,
  signal: new AbortController().signal,
  progress: () => undefined,
});

/** @param run as in demo/experiment.mjs */
export const trainingOf = ({ name: _, ...run }) => Training.parse(run);

/** @param dataset as in demo/experiment.mjs; @returns its manifest */
export async function haveData(dataset, store) {
  const { manifest } = await ingest({
    dataset: DatasetCreate.parse(dataset),
    cacheFolder: downloads,
    maxPixels: 64e6,
    write: (bytes) => store.write(bytes),
    signal: new AbortController().signal,
  });
  return manifest;
}

/** @param options { training, manifest, targets, engine }; @returns what the train stage does, and the phase of every step */
export async function trained({ training, manifest, targets = null, engine }, store) {
  const phases = [];
  const observer = {
    metric: ({ phase }) => phases.push(phase),
    switched: () => undefined,
    checkpoint: () => undefined,
    warn: () => undefined,
  };
  const options = {
    ...{ training, manifest, targets, engine },
    ...{ checkpoints: [], checkpointSeconds: Number.POSITIVE_INFINITY, loaderThreads: LOADER_THREADS },
  };
  return { ...(await train(options, observer, toolsOf(store))), phases };
}

/** The targets of the training images from a trained model. @returns a TargetsManifest */
export async function targetsFrom(model, { training, manifest }, store) {
  const prior = await registerPrior(await store.read(model), store);
  const cache = new EmbedderCache(PROCESSORS);
  const embeds = [];
  for (const shard of manifest.splits.train.shards)
    embeds.push(await embedShard({ kind: 'embed', shard, prior }, cache, toolsOf(store)));
  await cache.close();
  const { height: size } = manifest.imageSize;
  const { width } = createBackbone(training.backbone, { size, channels: manifest.channels });
  const { targets } = await reduceTargets({ k: Math.min(width, prior.width) }, embeds, toolsOf(store));
  return readJson(store, targets, TargetsManifest);
}

/** @returns accuracy of the linear probe and of kNN */
export const evaluated = ({ training, manifest, model, engine }, store) =>
  evaluate({ training, manifest, model, engine, threads: PROCESSORS, scratch: tmpdir() }, toolsOf(store));
