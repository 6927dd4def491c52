// Does the reduction of 2,048 features take less than a minute? All eigenpairs of a covariance, and the reduce stage from the shards'
// statistics to the targets in the store, against NumPy, whose eigh is LAPACK's dsyevd on whichever BLAS the system has.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { breathing, leadingEigenpairs, ShardStatistics } from '@rela/prior';
import { createRandom } from '@rela/random';
import { reduceTargets, rowBytes } from '@rela/stages';
import { openStore } from '@rela/storage';
import { findNumpy } from '../../tests/torch/torch.js';
import { inTurn } from '../pairs.mjs';
import { startPeer } from '../peer.mjs';

const script = fileURLToPath(new URL('../numpy/reduce.py', import.meta.url));
const SHARD = 1024;
const FACTORS = 32;

/** Like the features of a network: mixtures of factors of falling strength, cut off at 0, and noise. */
function embeddings(count, width, seed) {
  const mix = createRandom(1, 'mix');
  const weights = Float64Array.from({ length: FACTORS * width }, () => mix.normal());
  const random = createRandom(seed, 'rows');
  const rows = new Float32Array(count * width);
  for (let row = 0; row < count; row++) {
    const sums = new Float64Array(width);
    for (let factor = 0; factor < FACTORS; factor++) {
      const strength = 0.9 ** factor * random.normal();
      for (let feature = 0; feature < width; feature++)
        sums[feature] += strength * weights[factor * width + feature];
    }
    for (let feature = 0; feature < width; feature++)
      rows[row * width + feature] = Math.max(0, sums[feature] + 0.3 * random.normal());
  }
  return rows;
}

const bytesOf = ({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength);

/** What the embed stages of `shards` shards leave behind, in the store and in files for the peer. */
async function prepare({ folder, store, width, shards }) {
  const total = ShardStatistics.empty(width);
  const embeds = [];
  const files = [];
  for (let shard = 0; shard < shards; shard++) {
    const rows = embeddings(SHARD, width, shard);
    const statistics = ShardStatistics.empty(width);
    await statistics.add(rows);
    total.merge(statistics);
    files.push(Buffer.from(bytesOf(rows)));
    embeds.push({
      kind: 'embed',
      embeddings: (await store.write(rowBytes(rows))).digest,
      statistics: (await store.write(statistics.toBytes())).digest,
      count: SHARD,
      width,
      seconds: 0,
    });
  }
  const covariance = total.covariance();
  await writeFile(join(folder, 'covariance'), bytesOf(covariance));
  await writeFile(join(folder, 'embeddings'), Buffer.concat(files));
  return { embeds, covariance };
}

async function timed(work) {
  const began = performance.now();
  await work();
  return (performance.now() - began) / 1000;
}

async function against(name, { ours, python, peer, pairs, say }) {
  const numpy = await startPeer([python, script, JSON.stringify(peer)], 'NumPy');
  try {
    const turns = { pairs, warmUp: 1, say: (text) => say(`${name} ${text}`) };
    const timing = await inTurn(() => timed(ours), numpy.step, turns);
    return { name, unit: 's', ...timing, peer: `NumPy ${numpy.told.numpy}` };
  } finally {
    numpy.stop();
  }
}

export async function measure(say) {
  const python = await findNumpy();
  if (python === null)
    throw new Error('There is no Python with NumPy here. On Debian: apt-get install python3-numpy');
  const folder = await mkdtemp(join(tmpdir(), 'rela-bench-'));
  const cases = [];
  try {
    for (const { width, shards, k, pairs } of [
      { width: 512, shards: 2, k: 128, pairs: 7 },
      { width: 2048, shards: 10, k: 512, pairs: 3 },
    ]) {
      const store = openStore(join(folder, `store-${width}`));
      const { embeds, covariance } = await prepare({ folder, store, width, shards });
      const tools = { store, signal: new AbortController().signal, progress: () => undefined };
      cases.push(
        await against(`all eigenpairs, m = ${width}`, {
          ours: () => leadingEigenpairs(covariance.slice(), width, width, breathing()),
          ...{ python, pairs, say },
          peer: { folder, width, k, what: 'eigenpairs' },
        }),
        await against(`the stage, m = ${width}, k = ${k}, ${shards * SHARD} images`, {
          ours: () => reduceTargets({ kind: 'reduce', k }, embeds, tools),
          ...{ python, pairs, say },
          peer: { folder, width, k, what: 'stage' },
        }),
      );
    }
    return cases;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
