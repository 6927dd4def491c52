// The headline for every method: its accuracy alone and with ReLA at half of the images, and the share of its cost at which ReLA has reached it.
import { MethodSpec, relaPresets } from '@rela/contracts';
import { bySeed } from './laboratory/lab.mjs';
import { PRIOR, PRIORS } from './laboratory/setting.mjs';
import { overSeeds, points, toldOf } from './laboratory/shown.mjs';
import { meanAndStd } from './laboratory/statistics.mjs';

const METHODS = MethodSpec.options.map(({ shape }) => shape.name.value);
/**
 * MAE hides patches: it takes a backbone that has some, and so does what it is compared with. In smaller images, of 16 patches instead of 49:
 * a step of a transformer is dear on a processor.
 */
const OTHERWISE = { mae: { backbone: { name: 'vit-tiny' }, imageSize: 16 } };
const DATA_RATIO = 0.5;
/** Shares of the run with ReLA after which it is looked at. */
const LOOKS = [0.1, 0.25, 0.5, 1];
/** Of the epochs of the other studies: there are nine methods. */
const SHARE = 0.5;

const planOf = ({ epochs }) => ({
  ...{ epochs: Math.max(1, Math.round(SHARE * epochs)), dataRatio: DATA_RATIO, looks: LOOKS },
  ...{ preset: relaPresets.recommended, prior: PRIORS[PRIOR], methods: METHODS, otherwise: OTHERWISE },
});

async function ofSeed(lab, seed, { epochs }, say) {
  const prior = await lab.prior(PRIOR, seed);
  const { targets, making } = await lab.targets(prior);
  const priorSeconds = prior.training.seconds + making.seconds;
  const found = {};
  for (const name of METHODS) {
    const shared = { seed, epochs, method: { name }, ...OTHERWISE[name] };
    const all = epochs * lab.stepsPerEpoch();
    const half = epochs * lab.stepsPerEpoch({ dataRatio: DATA_RATIO });
    const control = await lab.curve(
      { ...shared, rela: null },
      { looks: [all], onLook: toldOf(say, seed, name) },
    );
    const looks = [...new Set(LOOKS.map((share) => Math.max(1, Math.round(share * half))))];
    const run = { ...shared, rela: relaPresets.recommended, dataRatio: DATA_RATIO };
    const rela = await lab.curve(run, { targets, looks, onLook: toldOf(say, seed, `${name} with ReLA`) });
    const [goal] = control.looks;
    const reached = rela.looks.find(({ accuracy }) => accuracy >= goal.accuracy);
    found[name] = {
      control: goal,
      rela: rela.looks,
      share: reached ? (reached.seconds + priorSeconds) / goal.seconds : null,
      shareOfOperations: reached ? reached.flops / goal.flops : null,
    };
  }
  return found;
}

function answerOf({ plan, found }) {
  const of = (name, take) => found.map((methods) => take(methods[name]));
  const shares = (name, key) => {
    const values = of(name, (method) => method[key]);
    return values.includes(null)
      ? `not reached by ${values.filter((value) => value === null).length} of ${values.length}`
      : overSeeds(values);
  };
  const gaps = METHODS.map((name) => ({
    name,
    ...meanAndStd(of(name, ({ control, rela }) => rela.at(-1).accuracy - control.accuracy)),
  }));
  const ahead = gaps.filter(({ mean }) => mean >= 0);
  return {
    title: 'Every method with ReLA',
    claims: [
      {
        claim: 'With ReLA and half of the images every method ends no worse than alone with all of them',
        holds: ahead.length === METHODS.length,
        shown: `${ahead.length} of ${METHODS.length}: ${gaps.map((gap) => `${gap.name} ${points(gap)}`).join(', ')}`,
      },
    ],
    tables: [
      {
        title: `After ${plan.epochs} epochs, by linear probe`,
        rows: METHODS.map((name) => ({
          method: name,
          'alone, 100 %': overSeeds(of(name, ({ control }) => control.accuracy)),
          'with ReLA, 50 %': overSeeds(of(name, ({ rela }) => rela.at(-1).accuracy)),
          'kNN, alone': overSeeds(of(name, ({ control }) => control.knn)),
          'kNN, with ReLA': overSeeds(of(name, ({ rela }) => rela.at(-1).knn)),
          'processor seconds to reach it, prior included': shares(name, 'share'),
          'operations to reach it': shares(name, 'shareOfOperations'),
        })),
      },
    ],
    figures: {
      gain: {
        title: 'What ReLA at half of the images adds to every method',
        width: 360,
        data: {
          values: gaps.map(({ name, mean, std }) => ({
            method: name,
            points: 100 * mean,
            low: 100 * (mean - std),
            high: 100 * (mean + std),
          })),
        },
        encoding: { y: { field: 'method', type: 'nominal', sort: null } },
        layer: [
          {
            mark: 'bar',
            encoding: { x: { field: 'points', type: 'quantitative', title: 'points of the linear probe' } },
          },
          { mark: 'rule', encoding: { x: { field: 'low', type: 'quantitative' }, x2: { field: 'high' } } },
        ],
      },
    },
  };
}

export const study = bySeed(ofSeed, answerOf, planOf);
