// What keeps the saving of ReLA to the plateau: the recommended preset, and around it one thing at a time: the weight of the targets beside
// the method's loss, how long they lead alone, whether W is learned, the share of the images an epoch, and what the prior knows.
import { relaPresets } from '@rela/contracts';
import { curves } from './laboratory/charts.mjs';
import { bySeed } from './laboratory/lab.mjs';
import { PRIOR, PRIORS } from './laboratory/setting.mjs';
import { curveRows, lookRow, points, toldOf } from './laboratory/shown.mjs';
import { meanAndStd } from './laboratory/statistics.mjs';

const { recommended } = relaPresets;
const DATA_RATIO = 0.5;
/** In epochs of all images, so that runs of every ratio have as many steps. */
const LOOKS = { full: [1, 2, 4, 8], quick: [1] };

const weighing = (weight) => ({ rela: { ...recommended, blend: { ...recommended.blend, weight } } });
const leading = (lambda) => ({ rela: { ...recommended, switch: { kind: 'static', lambda } } });
const RECOMMENDED = 'recommended';
const NO_TERM = 'no term: the method alone after the switch';
const KNOWING = 'prior that knows the classes';
const UNTRAINED = 'untrained prior';

const VARIANTS = {
  [RECOMMENDED]: {},
  'weight 0.5': weighing(0.5),
  'weight 10': weighing(10),
  'weight falls to 0 by a cosine': {
    rela: { ...recommended, blend: { ...recommended.blend, schedule: 'cosine' } },
  },
  [NO_TERM]: { rela: { ...recommended, blend: undefined } },
  'the term from the first step': leading(0),
  'targets alone for 40 %': leading(0.4),
  'targets alone to the end': leading(1),
  'W stays as drawn': { rela: { ...recommended, transport: 'fixed' } },
  'all images': { dataRatio: 1 },
  'a quarter of the images': { dataRatio: 0.25 },
  [UNTRAINED]: { prior: 'untrained' },
  [KNOWING]: { prior: 'clothes, with labels' },
};
const NAMES = Object.keys(VARIANTS);

const planOf = ({ quick }) => ({
  ...{ dataRatio: DATA_RATIO, prior: PRIORS[PRIOR], looks: LOOKS[quick ? 'quick' : 'full'] },
  variants: VARIANTS,
  preset: recommended,
});

async function ofSeed(lab, seed, { looks }, say) {
  const known = new Map();
  const targetsBy = async (name) => {
    if (!known.has(name)) known.set(name, (await lab.targets(await lab.prior(name, seed))).targets);
    return known.get(name);
  };
  const steps = looks.map((epochs) => epochs * lab.stepsPerEpoch());
  const found = {};
  for (const [name, { prior = PRIOR, dataRatio = DATA_RATIO, rela = recommended }] of Object.entries(
    VARIANTS,
  )) {
    const epochs = Math.ceil(steps.at(-1) / lab.stepsPerEpoch({ dataRatio }));
    const options = { targets: await targetsBy(prior), looks: steps, onLook: toldOf(say, seed, name) };
    found[name] = (await lab.curve({ seed, rela, dataRatio, epochs }, options)).looks;
  }
  return found;
}

function answerOf({ found }) {
  const all = (name) => found.map((runs) => runs[name]);
  const end = (name) => all(name).map((looks) => looks.at(-1));
  const gap = (name) =>
    meanAndStd(found.map((runs) => runs[name].at(-1).accuracy - runs[RECOMMENDED].at(-1).accuracy));
  /** Those that a user chooses among: the others change what is known, or how much data there is. */
  const choices = NAMES.slice(1).filter((name) => 'rela' in VARIANTS[name]);
  const better = choices.filter((name) => gap(name).mean > gap(name).std);
  const best = choices.reduce((a, b) => (gap(b).mean > gap(a).mean ? b : a));
  return {
    title: 'What keeps the saving of ReLA',
    claims: [
      {
        claim:
          'No other choice of weight, switch or transport is better than the recommended one by more than a standard deviation',
        holds: better.length === 0,
        shown: `the best other, ${best}: ${points(gap(best))}${better.length > 0 ? `; better: ${better.join(', ')}` : ''}`,
      },
      {
        claim: 'The targets kept as a term beat the hard switch',
        holds: gap(NO_TERM).mean < 0,
        shown: `without the term: ${points(gap(NO_TERM))}`,
      },
      {
        claim: 'A prior that knows more leads further',
        holds: gap(KNOWING).mean > 0 && gap(UNTRAINED).mean < 0,
        shown: `that knows the classes: ${points(gap(KNOWING))}; untrained: ${points(gap(UNTRAINED))}`,
      },
    ],
    tables: [
      {
        title: `After ${end(RECOMMENDED)[0].step} steps`,
        rows: NAMES.map((name) =>
          lookRow(name, end(name), { 'against recommended': name === RECOMMENDED ? '–' : points(gap(name)) }),
        ),
      },
    ],
    figures: {
      curves: curves(
        NAMES.flatMap((name) => curveRows(name, all(name), { x: 'flops', y: 'accuracy' })),
        { title: 'Accuracy by operations', x: 'operations', y: 'linear probe', legend: 'run' },
      ),
    },
  };
}

export const study = bySeed(ofSeed, answerOf, planOf);
