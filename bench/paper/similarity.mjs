// How near priors are to trained models (the paper's Definition 4 and Figure 4a): the distance between their representations after the best
// linear transport, on images that it was not fitted to. Rows: priors; columns: models that were trained on the data in other ways.
import { breathing, representationDistance } from '@rela/prior';
import { heatmap } from './laboratory/charts.mjs';
import { bySeed } from './laboratory/lab.mjs';
import { PRIORS } from './laboratory/setting.mjs';
import { overSeeds } from './laboratory/shown.mjs';
import { meanAndStd, rankCorrelation } from './laboratory/statistics.mjs';

const TRAINED = ['byol', 'simclr', 'vicreg', 'supervised'];
const NAMES = Object.keys(PRIORS);

const planOf = () => ({ priors: PRIORS, trained: TRAINED });

async function ofSeed(lab, seed, { epochs }, say) {
  const appraise = (model) => lab.appraise(model, { seed });
  const priors = {};
  const accuracies = {};
  for (const name of NAMES) {
    const prior = await lab.prior(name, seed);
    priors[name] = await appraise(prior);
    accuracies[name] = (await lab.judge(prior)).accuracy;
  }
  const distances = {};
  for (const name of TRAINED) {
    const run = { method: { name }, epochs, dataRatio: 1 };
    const model = await lab.trained({ run, seed });
    const to = await appraise(model);
    distances[name] = {};
    for (const prior of NAMES)
      distances[name][prior] = await representationDistance(priors[prior], to, breathing());
    say(
      `seed ${seed}, ${name}: ${NAMES.map((prior) => `${prior} ${distances[name][prior].toFixed(3)}`).join(', ')}`,
    );
  }
  return { distances, accuracies };
}

function answerOf({ found }) {
  const at = (prior, name) => found.map(({ distances }) => distances[name][prior]);
  const mean = (prior) =>
    meanAndStd(found.map(({ distances }) => meanAndStd(TRAINED.map((name) => distances[name][prior])).mean));
  const nearest = NAMES.reduce((a, b) => (mean(b).mean < mean(a).mean ? b : a));
  const toKnown = meanAndStd(
    found.map(({ distances, accuracies }) =>
      rankCorrelation(
        NAMES.map((prior) => -meanAndStd(TRAINED.map((name) => distances[name][prior])).mean),
        NAMES.map((prior) => accuracies[prior]),
      ),
    ),
  );
  const trainedPriors = NAMES.filter((name) => PRIORS[name].run !== null);
  const nearer = trainedPriors.filter((name) => mean(name).mean < mean('untrained').mean);
  const decimals = (value) => value.toFixed(3);
  return {
    title: 'How near priors are to trained models',
    claims: [
      {
        claim: 'A trained prior is nearer to trained models than an untrained one',
        holds: nearer.length === trainedPriors.length,
        shown: `${nearer.length} of ${trainedPriors.length} are; untrained: ${decimals(mean('untrained').mean)}, nearest: ${nearest}, ${decimals(mean(nearest).mean)}`,
      },
      {
        claim: 'The nearer a prior, the better its own features',
        holds: toKnown.mean > 0.7,
        shown: `rank correlation of nearness with the prior's linear probe: ${toKnown.mean.toFixed(2)} ± ${toKnown.std.toFixed(2)}`,
      },
    ],
    tables: [
      {
        title: 'Distance of the trained model from the prior: 0, it is told linearly; 1, nothing of it is',
        rows: NAMES.map((prior) => ({
          prior,
          ...Object.fromEntries(TRAINED.map((name) => [name, overSeeds(at(prior, name), decimals)])),
          "the prior's linear probe": overSeeds(found.map(({ accuracies }) => accuracies[prior])),
        })),
      },
    ],
    figures: {
      distance: heatmap(
        NAMES.flatMap((prior) =>
          TRAINED.map((name) => ({ x: name, y: prior, value: meanAndStd(at(prior, name)).mean })),
        ),
        {
          title: 'Distance after the best linear transport',
          x: 'trained model',
          y: 'prior',
          value: 'distance',
        },
      ),
    },
  };
}

export const study = bySeed(ofSeed, answerOf, planOf);
