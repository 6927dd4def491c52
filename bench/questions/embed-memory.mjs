// Does embedding take more memory where there are more images? Peak resident memory of a process that embeds 200,000 images, shard
// after shard, against one that embeds 10,000. The images are grey, 28 px, kept as pixels as MNIST's are; the prior, a narrow ResNet-18
// at 8 px, is as small as they come, so that the images and not the prior decide, and 200,000 take no hour.
import { execFile } from 'node:child_process';
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { DatasetCreate } from '@rela/contracts';
import { ingest } from '@rela/datasets';
import { createRandom } from '@rela/random';
import { openStore } from '@rela/storage';
import { makePrior } from '../prior.mjs';

const run = promisify(execFile);
const script = fileURLToPath(new URL('../embed-alone.mjs', import.meta.url));
const FEW = 10_000;
const MANY = 200_000;
const SIDE = 28;
const MIB = 1024 ** 2;
const UNSIGNED_BYTES_OF_RANK_3 = 0x0803;

/** An IDX file of noise, written piece by piece. */
async function writeImages(path) {
  const file = await open(path, 'w');
  const header = Buffer.alloc(16);
  for (const [at, number] of [UNSIGNED_BYTES_OF_RANK_3, MANY, SIDE, SIDE].entries())
    header.writeUInt32BE(number, 4 * at);
  await file.write(header);
  for (let piece = 0; piece < MANY / FEW; piece++) {
    const random = createRandom(1, 'images', piece);
    await file.write(Uint8Array.from({ length: FEW * SIDE * SIDE }, () => random.int(256)));
  }
  await file.close();
}

async function makeShards(folder, store) {
  const images = join(folder, 'images.idx');
  await writeImages(images);
  const { manifest } = await ingest({
    dataset: DatasetCreate.parse({ name: 'bench', source: { kind: 'idx', train: { images } } }),
    cacheFolder: folder,
    maxPixels: SIDE * SIDE,
    write: (bytes) => store.write(bytes),
    signal: new AbortController().signal,
  });
  return manifest.splits.train.shards;
}

/** Peak resident bytes of embedding these shards, in a process that does nothing else. */
async function peakOf(shards, { folder, prior }) {
  const request = join(folder, 'request.json');
  await writeFile(request, JSON.stringify({ folder, prior, shards }));
  const { stdout } = await run(process.execPath, [script, request]);
  return JSON.parse(stdout.slice(stdout.lastIndexOf('{"images"'))).peakBytes;
}

export async function measure(say) {
  const folder = await mkdtemp(join(tmpdir(), 'rela-bench-'));
  try {
    const store = openStore(folder);
    const shards = await makeShards(folder, store);
    const prior = await makePrior({ name: 'resnet18-narrow', stem: 'modified', imageSize: 8 }, store);
    say(`${MANY} images are there, in ${shards.length} shards`);
    const few = shards.slice(0, Math.ceil((FEW * shards.length) / MANY));
    const reference = (await peakOf(few, { folder, prior })) / MIB;
    say(`${FEW} images: ${reference.toFixed(0)} MiB`);
    const value = (await peakOf(shards, { folder, prior })) / MIB;
    return [
      {
        name: `${MANY} against ${FEW} images`,
        unit: 'MiB',
        value,
        reference,
        ratio: value / reference,
        lowerQuartile: null,
        samples: 1,
        dropped: 0,
        peer: 'itself',
      },
    ];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
