// Does a training step ever wait for its data? Runs of the train stage on a folder of PNGs that was taken in as a user's is: the share
// of their steps' time in which the next batch was not there yet. Batch 128, both BYOL views, views of 32 px.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Training } from '@rela/contracts';
import { createEngine } from '@rela/engine';
import { train } from '@rela/stages';
import { openStore } from '@rela/storage';
import { makeDataset } from '../images.mjs';
import { THREADS } from '../ours.mjs';

const BATCH = 128;
const SIZE = 32;
/** An epoch. */
const BATCHES = 4;
/** As train workers have it: apps/train-worker/src/child.ts. */
const LOADER_THREADS = 1;
/** Images of 32 px are kept as pixels, larger ones as files: those have to be decoded whenever they are seen. */
const works = {
  'ResNet-18, images of 32 px': { model: 'resnet18', side: 32, epochs: 1 },
  'narrow ResNet-18, images of 32 px': { model: 'resnet18-narrow', side: 32, epochs: 10 },
  'narrow ResNet-18, images of 96 px': { model: 'resnet18-narrow', side: 96, epochs: 10 },
};

async function waiting(name, { model, side, epochs }, folder) {
  const store = openStore(join(folder, 'store'));
  const images = { count: BATCHES * BATCH, height: side, width: side, format: 'png', shardSize: 2 * BATCH };
  const manifest = await makeDataset(images, join(folder, 'files'), store);
  const training = Training.parse({
    method: { name: 'byol' },
    backbone: { name: model },
    batchSize: BATCH,
    imageSize: SIZE,
    epochs,
    seed: 1,
  });
  const engine = await createEngine({ engine: 'compiled', threads: THREADS });
  const ends = [];
  const options = {
    training,
    manifest,
    targets: null,
    engine,
    checkpoints: [],
    checkpointSeconds: Number.POSITIVE_INFINITY,
    loaderThreads: LOADER_THREADS,
  };
  const observer = {
    metric: ({ seconds }) => ends.push(seconds),
    switched: () => undefined,
    checkpoint: () => undefined,
    warn: () => undefined,
  };
  const tools = { store, signal: new AbortController().signal, progress: () => undefined };
  const { waitShare, seconds } = await train(options, observer, tools);
  await engine.dispose();
  // Against the time of the steps behind the first, which compiling is no part of.
  const value = (waitShare * seconds) / (ends.at(-1) - ends[0]);
  return {
    name,
    unit: 'of the time',
    value,
    reference: null,
    ratio: null,
    lowerQuartile: null,
    samples: ends.length,
    dropped: 0,
  };
}

export async function measure(say) {
  const cases = [];
  for (const [name, work] of Object.entries(works)) {
    const folder = await mkdtemp(join(tmpdir(), 'rela-bench-'));
    try {
      cases.push(await waiting(name, work, folder));
      say(`${name}: ${(100 * cases.at(-1).value).toFixed(2)} % of the time of ${cases.at(-1).samples} steps`);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
  return cases;
}
