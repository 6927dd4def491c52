// Does it cost accuracy that convolutions are computed in Winograd's tiles? The demo's experiment, shortened, with the default kernels
// (precision fast: tiles of 4 where the plan takes them), with precision strict, and with direct kernels alone: the same seeds, data and
// targets, so that each seed gives a difference. What counts is its mean against the spread over seeds.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEngine } from '@rela/engine';
import { openStore } from '@rela/storage';
import * as demo from '../../demo/experiment.mjs';
import { evaluated, haveData, targetsFrom, trained, trainingOf } from '../experiment.mjs';

const SEEDS = [1, 2, 3];
const FAST = 'fast';
const OTHERS = ['strict', 'direct'];
/** Nothing is timed: the accelerated run and the control go beside each other, and need not wait for each other's threads. */
const THREADS = 1;
/** Of the demo's runs: what makes nine pairs of them a matter of minutes. */
const limit = { train: 2_560, test: 1_000 };
const student = { epochs: 4 };
const prior = { epochs: 2 };

/** In so few steps the demo's adaptive rule finds no end of its first phase: half of the epochs, so that both phases are asked. */
const accelerated = {
  ...demo.accelerated,
  rela: { ...demo.accelerated.rela, switch: { kind: 'static', lambda: 0.5 } },
};
const runs = { accelerated, control: demo.control };
const measures = { 'linear probe': ({ accuracy }) => accuracy, kNN: ({ knn }) => knn };

const withoutTiles = (kernels) =>
  Object.fromEntries(
    Object.entries(kernels).map(([shape, kernel]) => [
      shape,
      kernel.startsWith('winograd') ? 'direct' : kernel,
    ]),
  );

/** @param kernels those of the fast run of the same kind, which name all shapes */
function optionsOf(setting, kernels) {
  switch (setting) {
    case FAST:
      return { plan: 'fixed' };
    case 'strict':
      return { plan: 'fixed', precision: 'strict' };
    default:
      return { plan: withoutTiles(kernels) };
  }
}

async function withEngine(options, work) {
  const engine = await createEngine({ engine: 'compiled', threads: THREADS, ...options });
  try {
    return await work(engine);
  } finally {
    await engine.dispose();
  }
}

async function prepared(store) {
  const manifest = await haveData({ ...demo.datasets.student, limit }, store);
  const priorData = await haveData({ ...demo.datasets.prior, limit }, store);
  const { model } = await withEngine(optionsOf(FAST), (engine) =>
    trained({ training: trainingOf({ ...demo.priorRun, ...prior }), manifest: priorData, engine }, store),
  );
  const training = trainingOf(demo.accelerated);
  return { manifest, targets: await targetsFrom(model, { training, manifest }, store) };
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
/** Of a sample. */
function deviation(values) {
  const middle = mean(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (values.length - 1));
}

function caseOf(name, fast, other) {
  const differences = fast.map((value, at) => value - other[at]);
  return {
    name,
    unit: 'of the images',
    value: mean(fast),
    reference: mean(other),
    ratio: mean(fast) / mean(other),
    lowerQuartile: null,
    samples: fast.length,
    dropped: 0,
    peer: 'itself',
    std: deviation(fast),
    referenceStd: deviation(other),
    difference: mean(differences),
    differenceStd: deviation(differences),
    seeds: fast.map((value, at) => [value, other[at]]),
  };
}

const percent = (value) => `${(100 * value).toFixed(2)} %`;

/** One run by every setting. */
async function bySetting(kind, seed, { manifest, targets }, { store, say }) {
  const run = runs[kind];
  const training = trainingOf({ ...run, ...student, seed });
  const results = {};
  for (const setting of [FAST, ...OTHERS]) {
    const options = optionsOf(setting, results[FAST]?.kernels);
    const result = await withEngine(options, async (engine) => {
      const data = { training, manifest, engine };
      const made = await trained({ ...data, targets: run.rela ? targets : null }, store);
      return { ...made, ...(await evaluated({ ...data, model: made.model }, store)) };
    });
    const shapes = Object.values(result.kernels);
    const tiles = shapes.filter((kernel) => kernel === 'winograd4').length;
    if (setting === FAST && tiles === 0) throw new Error('The default plan takes no tiles of 4 here.');
    results[setting] = result;
    const rela = result.phases.filter((phase) => phase === 'rela').length;
    say(
      `${kind}, seed ${seed}, ${setting}: probe ${percent(result.accuracy)}, kNN ${percent(result.knn)}; ${tiles} of ${shapes.length} shapes in tiles of 4, ${rela} of ${result.steps} steps with the ReLA loss`,
    );
  }
  return results;
}

export async function measure(say) {
  const folder = await mkdtemp(join(tmpdir(), 'rela-bench-'));
  try {
    const store = openStore(folder);
    const data = await prepared(store);
    say('The data, the prior and its targets are there.');
    const kinds = Object.keys(runs);
    const found = Object.fromEntries(kinds.map((kind) => [kind, []]));
    for (const seed of SEEDS)
      await Promise.all(
        kinds.map(async (kind) => found[kind].push(await bySetting(kind, seed, data, { store, say }))),
      );
    return kinds.flatMap((kind) =>
      Object.entries(measures).flatMap(([title, of]) =>
        OTHERS.map((other) => {
          const by = (setting) => found[kind].map((results) => of(results[setting]));
          return caseOf(`${kind}, ${title}: ${FAST} against ${other}`, by(FAST), by(other));
        }),
      ),
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
