/** The reduction held to LAPACK, as NumPy calls it: eigenpairs of covariances, and the targets of whole data sets. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  breathing,
  leadingEigenpairs,
  principalComponents,
  projectTargets,
  ShardStatistics,
} from '@rela/prior';
import { createRandom } from '@rela/random';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { findNumpy, runPython } from '../torch/torch.js';

const SCRIPT = fileURLToPath(new URL('reduce.py', import.meta.url));
const EXACT = 1e-6;

const python = await findNumpy();
const name = python ? '' : ' (no Python with NumPy here)';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rela-reduce-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const write = (file: string, values: Float32Array | Float64Array) =>
  writeFile(join(folder, file), new Uint8Array(values.buffer, values.byteOffset, values.byteLength));

async function distances(what: 'eigenpairs' | 'targets', m: number, k: number) {
  await runPython(python!, SCRIPT, [what, folder, String(m), String(k)]);
  return JSON.parse(await readFile(join(folder, 'distances.json'), 'utf8')) as Record<string, number>;
}

/** Like the features of a trained network: mixtures of some factors of falling strength, cut off at 0, and noise. */
function embeddings(count: number, m: number, factors: number, noise: number): Float32Array {
  const random = createRandom(7, 'embeddings', m);
  const mix = Float64Array.from({ length: factors * m }, () => random.normal());
  const rows = new Float32Array(count * m);
  const strengths = Float64Array.from({ length: factors }, (_, factor) => 0.95 ** factor);
  for (let row = 0; row < count; row++) {
    const sums = new Float64Array(m);
    for (let factor = 0; factor < factors; factor++) {
      const strength = strengths[factor]! * random.normal();
      for (let feature = 0; feature < m; feature++)
        sums[feature] = sums[feature]! + strength * mix[factor * m + feature]!;
    }
    for (let feature = 0; feature < m; feature++)
      rows[row * m + feature] = Math.max(0, sums[feature]! + noise * random.normal());
  }
  return rows;
}

async function statisticsOf(rows: Float32Array, m: number, shards = 1): Promise<ShardStatistics> {
  const count = rows.length / m;
  const total = ShardStatistics.empty(m);
  for (let shard = 0; shard < shards; shard++) {
    const statistics = ShardStatistics.empty(m);
    const [from, to] = [shard, shard + 1].map((end) => Math.floor((end * count) / shards) * m);
    await statistics.add(rows.subarray(from, to));
    total.merge(ShardStatistics.fromBytes(statistics.toBytes()));
  }
  return total;
}

/** Symmetric, with eigenvalues 3, 2 and 1, each of them many times over: reflected about some random directions. */
function clustered(m: number): Float64Array {
  const matrix = new Float64Array(m * m);
  for (let index = 0; index < m; index++) matrix[index * m + index] = 1 + (index % 3);
  const random = createRandom(3, 'reflections');
  for (let turn = 0; turn < 4; turn++) {
    const v = Float64Array.from({ length: m }, () => random.normal());
    const squares = v.reduce((sum, value) => sum + value * value, 0);
    // A ← (1 − 2vvᵀ/‖v‖²) A (1 − 2vvᵀ/‖v‖²)
    const along = v.map((_, row) => v.reduce((sum, value, at) => sum + value * matrix[row * m + at]!, 0));
    const middle = along.reduce((sum, value, at) => sum + value * v[at]!, 0);
    for (let row = 0; row < m; row++)
      for (let column = 0; column < m; column++)
        matrix[row * m + column]! -=
          (2 / squares) * (v[row]! * along[column]! + along[row]! * v[column]!) -
          (4 / squares ** 2) * middle * v[row]! * v[column]!;
  }
  return matrix;
}

const CASES = [
  { what: 'features of a network', m: 256, k: 256, matrix: () => covarianceOf(1000, 256, 0.3) },
  { what: 'features of a network', m: 512, k: 128, matrix: () => covarianceOf(1500, 512, 0.3) },
  { what: 'fewer images than features', m: 512, k: 512, matrix: () => covarianceOf(100, 512, 0) },
  { what: 'eigenvalues that coincide', m: 256, k: 256, matrix: async () => clustered(256) },
];

async function covarianceOf(count: number, m: number, noise: number): Promise<Float64Array> {
  return (await statisticsOf(embeddings(count, m, 64, noise), m)).covariance();
}

it.skipIf(!python).for(CASES)(
  `finds the $k leading eigenpairs of $m × $m that LAPACK finds: $what${name}`,
  async ({ m, k, matrix }) => {
    const symmetric = await matrix();
    await write('matrix', symmetric);
    const { values, vectors } = await leadingEigenpairs(symmetric, m, k, breathing());
    await write('values', values);
    await write('vectors', vectors);
    const apart = await distances('eigenpairs', m, k);
    expect(apart.values).toBeLessThan(EXACT);
    expect(apart.orthonormal).toBeLessThan(EXACT);
    expect(apart.residual).toBeLessThan(EXACT);
    expect(apart.spans).toBeGreaterThan(1);
    expect(apart.angles).toBeLessThan(EXACT);
  },
);

it.skipIf(!python)(
  `makes the targets of NumPy's PCA out of embeddings, through the statistics of shards${name}`,
  async () => {
    const [m, k] = [256, 64];
    const rows = embeddings(1200, m, 96, 0.3);
    const components = await principalComponents(await statisticsOf(rows, m, 5), k);
    await write('embeddings', rows);
    await write('targets', await projectTargets(rows, components));
    expect((await distances('targets', m, k)).targets).toBeLessThan(EXACT);
  },
);
