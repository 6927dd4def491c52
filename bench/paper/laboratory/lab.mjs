// Where the studies on images are made: data, priors and their targets, an engine, and curves of runs, in a folder that goes when they end.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DEFAULT_GATES } from '@rela/contracts';
import { createEngine } from '@rela/engine';
import { appraisePrior, createRandomPrior, drawSample, EmbedderCache, floatRows } from '@rela/stages';
import { openStore } from '@rela/storage';
import { evaluated, haveData, targetsFrom, toolsOf, trained, trainingOf } from '../../experiment.mjs';
import { machine, PROCESSORS } from '../../machine.mjs';
import { registerPrior } from '../../prior.mjs';
import { processorSeconds } from '../../processor-seconds.mjs';
import { curve } from './curve.mjs';
import { FULL, GRADED, PRIORS, QUICK } from './setting.mjs';
import { PlannedOtherwise } from './write.mjs';

const PRIOR_SEEDS = 100;

/**
 * A study that makes its runs for every seed, in full or in the short mode. What it has so far is kept whenever a seed ends, so that one
 * that was interrupted goes on.
 * @param ofSeed gets the lab, the seed and what the study plans with, and gives what it found
 * @param answerOf makes the answer of { plan, found }, `found` one a seed; see write.mjs
 * @param further what the study plans with beside the epochs: a function of { quick, epochs }
 */
export const bySeed =
  (ofSeed, answerOf, further = () => ({})) =>
  async ({ quick, say, wanted = (seeds) => seeds, earlier = () => null, keep = () => undefined }) => {
    const { setting: given, seeds, scale, epochs } = quick ? QUICK : FULL;
    const setting = { ...given, scale };
    const plan = { epochs, ...further({ quick, epochs }) };
    const planned = { setting, ...plan };
    let found = runsOf(await earlier(), planned);
    const answer = () => {
      const { numbers = {}, ...rest } = answerOf({ plan, found });
      return { ...rest, seeds: found.map(({ seed }) => seed), numbers: { planned, ...numbers, runs: found } };
    };
    const missing = wanted(seeds).filter((seed) => !found.some((one) => one.seed === seed));
    if (missing.length === 0) return answer();
    const folder = await mkdtemp(join(tmpdir(), 'rela-study-'));
    const engine = await createEngine({ engine: 'compiled', threads: PROCESSORS, plan: 'fixed' });
    try {
      const lab = new Lab(setting, openStore(folder), engine);
      for (const seed of missing) {
        const run = { seed, machine: machine(), ...(await ofSeed(lab, seed, plan, say)) };
        // Others may have been made meanwhile, on another processor.
        found = together(found, runsOf(await earlier(), planned), [run]);
        await keep(answer());
      }
      return answer();
    } finally {
      await engine.dispose();
      await rm(folder, { recursive: true, force: true });
    }
  };

/** The runs of each seed once, in the order of the seeds. */
const together = (...all) =>
  [...new Map(all.flat().map((run) => [run.seed, run])).values()].sort((a, b) => a.seed - b.seed);

/** The runs of an answer that was written before, to go on from. @throws PlannedOtherwise */
function runsOf(earlier, planned) {
  if (earlier === null) return [];
  if (JSON.stringify(earlier.planned) !== JSON.stringify(planned))
    throw new PlannedOtherwise(
      'The results that are there were planned otherwise (setting, epochs, presets); leave out --resume to make them anew.',
    );
  return earlier.runs;
}

/** @returns what `work` gives, and what it took: { given, cost: { seconds, wallSeconds } }, processor seconds and seconds by the clock */
async function measured(work) {
  const [processor, wall] = [process.cpuUsage(), performance.now()];
  const given = await work();
  const wallSeconds = (performance.now() - wall) / 1000;
  return { given, cost: { seconds: processorSeconds(processor), wallSeconds } };
}

class Lab {
  #data = new Map();

  constructor(setting, store, engine) {
    this.setting = setting;
    this.store = store;
    this.engine = engine;
  }

  /** Of so many images of a recipe, by default the study's own data set. */
  manifest({ recipe = 'fashion-mnist', train = this.setting.train } = {}) {
    const key = `${recipe}-${train}`;
    const { test } = this.setting;
    if (!this.#data.has(key))
      this.#data.set(
        key,
        haveData({ name: key, source: { kind: 'recipe', recipe }, limit: { train, test } }, this.store),
      );
    return this.#data.get(key);
  }

  training(run) {
    const { imageSize, backbone, batchSize } = this.setting;
    return trainingOf({ name: 'run', imageSize, backbone, batchSize, method: { name: 'byol' }, ...run });
  }

  /** Steps of an epoch of a run. */
  stepsPerEpoch({ dataRatio = 1, batchSize = this.setting.batchSize } = {}) {
    return Math.floor(Math.floor(dataRatio * this.setting.train) / batchSize);
  }

  /** The model of a run, on other images where it has a recipe. @returns { model, training: { seconds, wallSeconds } } */
  async trained({ recipe, train, run, seed }) {
    const manifest = await this.manifest({ recipe, train });
    const options = { training: this.training({ ...run, seed }), manifest, engine: this.engine };
    const { given, cost } = await measured(() => trained(options, this.store));
    return { model: given.model, training: cost };
  }

  /** Weights that were never trained, the same network as the runs'. */
  async untrained(seed) {
    const { imageSize: size, backbone } = this.setting;
    const source = { kind: 'random', backbone: { stem: 'auto', ...backbone }, imageSize: size };
    const bytes = await createRandomPrior({ ...source, channels: 1, seed });
    return { model: (await this.store.write(bytes)).digest, training: { seconds: 0, wallSeconds: 0 } };
  }

  /** One of PRIORS or GRADED, smaller where the study is; its seeds are not those of the runs. */
  prior(name, seed) {
    const prior = PRIORS[name] ?? GRADED[name];
    if (prior.run === null) return this.untrained(PRIOR_SEEDS + seed);
    const train = Math.max(128, Math.round(this.setting.scale * prior.train));
    return this.trained({ ...prior, train, seed: PRIOR_SEEDS + seed });
  }

  /** @returns the targets of the study's images by a prior, and what they took: { targets, making: { seconds, wallSeconds } } */
  async targets({ model }) {
    const manifest = await this.manifest();
    const { given, cost } = await measured(() =>
      targetsFrom(model, { training: this.training({}), manifest }, this.store),
    );
    return { targets: given, making: cost };
  }

  /** Linear probe and kNN of any model on the study's images: { accuracy, knn }. */
  async judge({ model }) {
    const options = { training: this.training({}), manifest: await this.manifest(), engine: this.engine };
    const { accuracy, knn } = await evaluated({ ...options, model }, this.store);
    return { accuracy, knn };
  }

  /** What a sample of the images tells of a model as a prior, with its features: { rows [n, width], width, … } of an appraisal. */
  async appraise({ model }, { images = 1024, seed = 0 } = {}) {
    const prior = await registerPrior(await this.store.read(model), this.store);
    const { splits } = await this.manifest();
    const sample = drawSample(splits.train.shards, images, seed);
    const input = {
      kind: 'appraise',
      name: model,
      prior,
      sample,
      seed,
      k: prior.width,
      gates: DEFAULT_GATES,
    };
    const cache = new EmbedderCache(PROCESSORS);
    const appraisal = await appraisePrior({ ...input, refuse: false }, cache, toolsOf(this.store));
    await cache.close();
    return { ...appraisal, rows: floatRows(await this.store.read(appraisal.embeddings)) };
  }

  /** Accuracy over cost: see `curve`. */
  async curve(run, { targets = null, ...told }) {
    const options = { training: this.training(run), manifest: await this.manifest(), engine: this.engine };
    return curve({ ...options, targets, ...told }, this.store);
  }
}
