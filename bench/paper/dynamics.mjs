// Accuracy over cost, with and without ReLA (the paper's Figure 5): every epoch's backbone, by linear probe and kNN.
import { relaPresets } from '@rela/contracts';
import { curves } from './laboratory/charts.mjs';
import { bySeed } from './laboratory/lab.mjs';
import { PRIOR, PRIORS } from './laboratory/setting.mjs';
import { curveRows, lookRow, points, toldOf } from './laboratory/shown.mjs';
import { meanAndStd } from './laboratory/statistics.mjs';

const LOOKS = 6;

const RUNS = {
  'BYOL, 100 %': { rela: null, dataRatio: 1 },
  'BYOL, 50 %': { rela: null, dataRatio: 0.5 },
  'ReLA, faithful, 50 %': { rela: relaPresets.faithful, dataRatio: 0.5 },
  'ReLA, recommended, 50 %': { rela: relaPresets.recommended, dataRatio: 0.5 },
};
const [CONTROL, , FAITHFUL, RECOMMENDED] = Object.keys(RUNS);

const planOf = () => ({ prior: PRIORS[PRIOR], compared: RUNS, looks: LOOKS });

async function ofSeed(lab, seed, { epochs }, say) {
  const prior = await lab.prior(PRIOR, seed);
  const { targets } = await lab.targets(prior);
  const found = {};
  for (const [name, run] of Object.entries(RUNS)) {
    const steps = epochs * lab.stepsPerEpoch(run);
    const looks = [
      ...new Set(Array.from({ length: LOOKS }, (_, at) => Math.ceil(((at + 1) / LOOKS) * steps))),
    ];
    const options = { targets: run.rela ? targets : null, looks, onLook: toldOf(say, seed, name) };
    found[name] = (await lab.curve({ seed, epochs, ...run }, options)).looks;
  }
  return found;
}

function answerOf({ plan, found }) {
  const all = (name) => found.map((runs) => runs[name]);
  const ahead = (name) => {
    const gaps = found.map((runs) => runs[name].at(-1).accuracy - runs[CONTROL].at(-1).accuracy);
    return meanAndStd(gaps);
  };
  /** ReLA's first look against the control's at the least cost that is no less. */
  const earlier = meanAndStd(
    found.map((runs) => {
      const [first] = runs[FAITHFUL];
      const control = runs[CONTROL].find(({ flops }) => flops >= first.flops) ?? runs[CONTROL].at(-1);
      return first.accuracy - control.accuracy;
    }),
  );
  const figure = (y, title) =>
    curves(
      Object.keys(RUNS).flatMap((name) => curveRows(name, all(name), { x: 'seconds', y })),
      { title: 'Accuracy over cost', x: 'processor seconds of training', y: title, legend: 'run' },
    );
  return {
    title: 'Training with and without ReLA',
    claims: [
      {
        claim: 'ReLA is ahead from the start, at equal operations',
        holds: earlier.mean > 0,
        shown: `at its first look: ${points(earlier)}`,
      },
      {
        claim: 'At half of the images, the faithful preset ends no worse than BYOL with all of them',
        holds: ahead(FAITHFUL).mean >= 0,
        shown: points(ahead(FAITHFUL)),
      },
      {
        claim: 'So does the recommended one',
        holds: ahead(RECOMMENDED).mean >= 0,
        shown: points(ahead(RECOMMENDED)),
      },
    ],
    tables: [
      {
        title: `After ${plan.epochs} epochs`,
        rows: Object.keys(RUNS).map((name) =>
          lookRow(
            name,
            all(name).map((looks) => looks.at(-1)),
          ),
        ),
      },
    ],
    figures: { probe: figure('accuracy', 'linear probe'), knn: figure('knn', 'kNN') },
  };
}

export const study = bySeed(ofSeed, answerOf, planOf);
