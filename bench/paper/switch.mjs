// When to leave the ReLA loss (the paper's Figure 4b): static λ from 0 to 1 against the adaptive rule, the one that scales with the run, and
// the blend that does not leave it.
import { relaPresets } from '@rela/contracts';
import { curves } from './laboratory/charts.mjs';
import { bySeed } from './laboratory/lab.mjs';
import { PRIOR, PRIORS } from './laboratory/setting.mjs';
import { lookRow, percent, points, toldOf } from './laboratory/shown.mjs';
import { meanAndStd } from './laboratory/statistics.mjs';

const LAMBDAS = [0, 0.2, 0.4, 0.6, 0.8, 1];
const DATA_RATIO = 0.5;

const leaving = (rule) => ({ switch: rule, transport: 'fixed' });
const statics = LAMBDAS.map((lambda) => [`λ = ${lambda}`, leaving({ kind: 'static', lambda })]);
const others = [
  ['adaptive, as in the paper', relaPresets.faithful],
  ['scaled to the run', leaving({ kind: 'scaled', threshold: 0.95 })],
  ['recommended: blend', relaPresets.recommended],
];

const planOf = () => ({
  dataRatio: DATA_RATIO,
  prior: PRIORS[PRIOR],
  rules: Object.fromEntries([...statics, ...others]),
});

async function ofSeed(lab, seed, { epochs }, say) {
  const prior = await lab.prior(PRIOR, seed);
  const { targets } = await lab.targets(prior);
  const steps = epochs * lab.stepsPerEpoch({ dataRatio: DATA_RATIO });
  const found = {};
  for (const [name, rela] of [...statics, ...others]) {
    const run = { seed, rela, dataRatio: DATA_RATIO, epochs };
    const { looks, switchStep } = await lab.curve(run, {
      targets,
      looks: [steps],
      onLook: toldOf(say, seed, name),
    });
    found[name] = { ...looks[0], switchStep };
  }
  return found;
}

function answerOf({ plan, found }) {
  const accuracyOf = (name) => meanAndStd(found.map((rules) => rules[name].accuracy));
  const rated = statics.map(([name], place) => ({ name, lambda: LAMBDAS[place], ...accuracyOf(name) }));
  const best = rated.reduce((a, b) => (b.mean > a.mean ? b : a));
  const against = (name) => {
    const gap = meanAndStd(found.map((rules) => rules[name].accuracy - rules[best.name].accuracy));
    return {
      ...gap,
      shown: `${points(gap)} against ${best.name}`,
    };
  };
  const [adaptive, scaled, blend] = others.map(([name]) => against(name));
  const never = rated[0];
  return {
    title: 'When to leave the ReLA loss',
    claims: [
      {
        claim: 'Training with the ReLA loss for a part of the run is better than without it (λ = 0)',
        holds: best.lambda > 0,
        shown: `${best.name}: ${percent(best.mean)}; λ = 0: ${percent(never.mean)}`,
      },
      {
        claim: 'The adaptive rule finds a switch as good as the best static one',
        holds: adaptive.mean >= -adaptive.std,
        shown: `${adaptive.shown}; it switched in ${found.filter((rules) => rules[others[0][0]].switchStep !== null).length} of ${found.length} runs of ${found[0][best.name].step} steps`,
      },
      {
        claim: 'So does the rule that scales with the run',
        holds: scaled.mean >= -scaled.std,
        shown: `${scaled.shown}; after ${found.map((rules) => rules[others[1][0]].switchStep ?? 'no').join(', ')} steps`,
      },
      {
        claim: 'Keeping the targets as a term is as good as the best static switch',
        holds: blend.mean >= -blend.std,
        shown: blend.shown,
      },
    ],
    tables: [
      {
        title: `After ${plan.epochs} epochs of half of the images`,
        rows: [...statics, ...others].map(([name]) =>
          lookRow(
            name,
            found.map((rules) => rules[name]),
          ),
        ),
      },
    ],
    figures: {
      lambda: curves(
        [
          ...rated.map(({ lambda, mean, std }) => ({ series: 'static λ', x: lambda, mean, std })),
          ...others.flatMap(([name]) => [0, 1].map((x) => ({ series: name, x, ...accuracyOf(name) }))),
        ],
        { title: 'Accuracy by when the ReLA loss is left', x: 'λ', y: 'linear probe', legend: 'rule' },
      ),
    },
  };
}

export const study = bySeed(ofSeed, answerOf, planOf);
