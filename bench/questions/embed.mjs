// Does a worker embed as fast as ONNX Runtime runs the prior? The embed stage, from a shard on disk to embeddings and statistics in
// the store, against sessions on tensors that are decoded and preprocessed already; same model, threads and batches.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openShard } from '@rela/datasets';
import { inputLength, preprocess } from '@rela/prior';
import { EmbedderCache, embedShard } from '@rela/stages';
import { openStore } from '@rela/storage';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { makeDataset } from '../images.mjs';
import { THREADS } from '../ours.mjs';
import { inTurn } from '../pairs.mjs';
import { makePrior } from '../prior.mjs';

const resnet18 = (stem, imageSize) => ({ name: 'resnet18', stem, imageSize });
const PAIRS = 5;
/** `batch`: as many images as the embedder takes at once. */
const works = {
  '32 px images, prior of 224 px': {
    prior: resnet18('standard', 224),
    images: { count: 120, height: 32, width: 32, format: 'png' },
    batch: 20,
  },
  'photographs of 500×375, prior of 224 px': {
    prior: resnet18('standard', 224),
    images: { count: 120, height: 375, width: 500, format: 'jpeg' },
    batch: 20,
  },
  '32 px images, prior of 32 px': {
    prior: resnet18('modified', 32),
    images: { count: 384, height: 32, width: 32, format: 'png' },
    batch: 64,
  },
};

/** Batches of a shard as tensors, ready for the session. */
async function readyBatches(path, { preprocessing, input }, batch) {
  const { height, width, channels } = preprocessing;
  const length = inputLength(preprocessing);
  const shard = await openShard(path);
  const batches = [];
  for (let first = 0; first < shard.count; first += batch) {
    const count = Math.min(batch, shard.count - first);
    const data = new Float32Array(count * length);
    for (let row = 0; row < count; row++)
      preprocess(await shard.decode(first + row), preprocessing, data, row * length);
    const dims =
      preprocessing.layout === 'nchw' ? [count, channels, height, width] : [count, height, width, channels];
    batches.push({ [input]: new Tensor('float32', data, dims) });
  }
  await shard.close();
  return batches;
}

async function seconds(work) {
  const began = performance.now();
  await work();
  return (performance.now() - began) / 1000;
}

async function compared(name, { prior: priorOf, images, batch }, folder, say) {
  const store = openStore(join(folder, 'store'));
  const manifest = await makeDataset({ ...images, shardSize: images.count }, join(folder, 'files'), store);
  const prior = await makePrior(priorOf, store);
  const [shard] = manifest.splits.train.shards;
  const cache = new EmbedderCache(THREADS);
  const tools = { store, signal: new AbortController().signal, progress: () => undefined };
  const session = await InferenceSession.create(await store.localPath(prior.model), {
    intraOpNumThreads: THREADS,
  });
  const batches = await readyBatches(await store.localPath(shard.digest), prior, batch);
  const ours = () => seconds(() => embedShard({ kind: 'embed', shard, prior }, cache, tools));
  const bare = () =>
    seconds(async () => {
      for (const feeds of batches) await session.run(feeds, [prior.output]);
    });
  try {
    const timing = await inTurn(bare, ours, {
      pairs: PAIRS,
      warmUp: 1,
      say: (text) => say(`${name} ${text}`),
    });
    // Rates: the side that takes less time has the larger one.
    return {
      name,
      unit: 'images/s',
      ...timing,
      value: images.count / timing.reference,
      reference: images.count / timing.value,
      peer: 'ONNX Runtime on ready tensors',
    };
  } finally {
    await session.release();
    await cache.close();
  }
}

export async function measure(say) {
  const cases = [];
  for (const [name, work] of Object.entries(works)) {
    const folder = await mkdtemp(join(tmpdir(), 'rela-bench-'));
    try {
      cases.push(await compared(name, work, folder, say));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
  return cases;
}
