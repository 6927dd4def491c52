// What a prior costs and brings (the paper's Figure 4c), and whether `prior: auto` would have known before training: every prior's targets,
// trained on with ReLA, against the score by which a job chooses, its parts, and other measures of a representation.
import { relaPresets } from '@rela/contracts';
import { breathing, compareCandidates } from '@rela/prior';
import { rankCandidates } from '@rela/stages';
import { curves } from './laboratory/charts.mjs';
import { bySeed } from './laboratory/lab.mjs';
import { GRADED, PRIORS as OFTEN } from './laboratory/setting.mjs';
import { lookRow, overSeeds, points, seconds, toldOf } from './laboratory/shown.mjs';
import { meanAndStd, rankCorrelation } from './laboratory/statistics.mjs';

const DATA_RATIO = 0.5;
const PRIORS = { ...OFTEN, ...GRADED };
const NAMES = Object.keys(PRIORS);
/** What is known before training, and whether more of it should be better. */
const MEASURES = {
  'score of prior: auto': ({ score }) => score,
  'signal of a view': ({ signal }) => signal,
  'distance of the others from it (Definition 4)': ({ distance }) => -distance,
  'linear CKA with the others': ({ alignment }) => alignment,
  'effective rank': ({ effectiveRank }) => effectiveRank,
  'kNN in the sample, with labels': ({ knn }) => knn,
};

const planOf = () => ({ dataRatio: DATA_RATIO, priors: PRIORS, preset: relaPresets.faithful });

async function ofSeed(lab, seed, { epochs }, say) {
  const steps = epochs * lab.stepsPerEpoch({ dataRatio: DATA_RATIO });
  const all = epochs * lab.stepsPerEpoch();
  const control = await lab.curve(
    { seed, rela: null, epochs },
    { looks: [all], onLook: toldOf(say, seed, 'BYOL, 100 %') },
  );
  const found = {};
  const appraised = [];
  for (const name of NAMES) {
    const prior = await lab.prior(name, seed);
    const { targets, making } = await lab.targets(prior);
    appraised.push(await lab.appraise(prior, { seed }));
    const run = { seed, rela: relaPresets.faithful, dataRatio: DATA_RATIO, epochs };
    const { looks } = await lab.curve(run, { targets, looks: [steps], onLook: toldOf(say, seed, name) });
    found[name] = {
      ...looks[0],
      itself: await lab.judge(prior),
      trainSeconds: prior.training.seconds,
      embedding: making.seconds,
    };
  }
  const student = await lab.appraise(await lab.untrained(seed), { seed });
  const compared = await compareCandidates(appraised, student, { most: student.width, breath: breathing() });
  for (const [place, name] of NAMES.entries()) {
    const { rows: _, ...appraisal } = appraised[place];
    found[name].known = { ...appraisal, ...compared[place], name };
  }
  return { control: control.looks[0], priors: found };
}

function answerOf({ plan, found }) {
  const of = (name, take) => found.map(({ priors }) => take(priors[name]));
  const rankOf = (measure) =>
    meanAndStd(
      found.map(({ priors }) =>
        rankCorrelation(
          NAMES.map((name) => measure(priors[name].known)),
          NAMES.map((name) => priors[name].accuracy),
        ),
      ),
    );
  const ranks = Object.entries(MEASURES).map(([name, measure]) => ({ name, ...rankOf(measure) }));
  const shownRank = ({ mean, std }) => `${mean.toFixed(2)} ± ${std.toFixed(2)}`;
  const [score] = ranks;
  // Accuracies of one seed lie closer than seeds do: the claim goes by the means.
  const meanOf = (name, take) => meanAndStd(of(name, take)).mean;
  const ofMeans = Object.values(MEASURES).map((measure) => {
    const against = (after) =>
      rankCorrelation(
        NAMES.map((prior) => meanOf(prior, ({ known }) => measure(known))),
        NAMES.map((prior) => meanOf(prior, after)),
      );
    return { probe: against(({ accuracy }) => accuracy), knn: against(({ knn }) => knn) };
  });
  const choices = (by) => {
    const taken = found.map(({ priors }) => {
      const { name } = rankCandidates(
        NAMES.map((prior) => priors[prior].known),
        by,
      );
      return { name, lost: Math.max(...NAMES.map((one) => priors[one].accuracy)) - priors[name].accuracy };
    });
    const lost = meanAndStd(taken.map((choice) => choice.lost));
    return {
      holds: lost.mean <= 0.005,
      shown: `${points(lost)}; taken: ${taken.map(({ name }) => name).join('; ')}`,
    };
  };
  const untrained = meanAndStd(
    found.map(({ priors, control }) => priors.untrained.accuracy - control.accuracy),
  );
  const total = ({ seconds: own, trainSeconds, embedding }) => own + trainSeconds + embedding;
  return {
    title: 'What a prior costs and brings, and what is known of it before training',
    claims: [
      {
        claim: 'An untrained prior at half of the images is no worse than BYOL with all of them',
        holds: untrained.mean >= 0,
        shown: points(untrained),
      },
      {
        claim: `The score of prior: auto ranks ${NAMES.length} priors as the accuracy after training does`,
        holds: ofMeans[0].probe >= 0.7,
        shown: `rank correlation of the means over seeds ${ofMeans[0].probe.toFixed(2)}; of each seed, whose accuracies lie closer than seeds do, ${shownRank(score)}`,
      },
      {
        claim: 'And as their kNN accuracy after training does',
        holds: ofMeans[0].knn >= 0.7,
        shown: `rank correlation of the means over seeds ${ofMeans[0].knn.toFixed(2)}`,
      },
      {
        claim: 'The choice of a job among them loses no more than half a point against the best prior',
        ...choices('score'),
      },
      { claim: 'So does the choice by kNN, where the sample has labels', ...choices('knn') },
    ],
    tables: [
      {
        title: `ReLA, faithful, ${plan.epochs} epochs of half of the images, by prior`,
        rows: [
          lookRow(
            'BYOL, 100 %',
            found.map(({ control }) => control),
            {
              'the prior itself': '–',
              'prior, training': '–',
              'prior, targets': '–',
            },
          ),
          ...NAMES.map((name) =>
            lookRow(
              name,
              of(name, (prior) => prior),
              {
                'the prior itself': overSeeds(of(name, ({ itself }) => itself.accuracy)),
                'prior, training': overSeeds(
                  of(name, ({ trainSeconds }) => trainSeconds),
                  seconds,
                ),
                'prior, targets': overSeeds(
                  of(name, ({ embedding }) => embedding),
                  seconds,
                ),
              },
            ),
          ),
        ],
      },
      {
        title: 'Before training: rank correlation with the accuracy after it, over priors',
        rows: ranks.map((rank, place) => ({
          measure: rank.name,
          'rank correlation, of each seed': shownRank(rank),
          'of the means over seeds': ofMeans[place].probe.toFixed(2),
          'of the means, with kNN after training': ofMeans[place].knn.toFixed(2),
        })),
      },
      {
        title: 'What was known',
        rows: NAMES.map((name) => ({
          prior: name,
          ...Object.fromEntries(
            Object.entries(MEASURES).map(([title, measure]) => [
              title,
              overSeeds(
                of(name, ({ known }) => Math.abs(measure(known))),
                (value) => value.toFixed(2),
              ),
            ]),
          ),
        })),
      },
    ],
    figures: {
      accuracy: curves(
        NAMES.map((series) => ({
          ...{ series, x: meanAndStd(of(series, total)).mean },
          ...meanAndStd(of(series, ({ accuracy }) => accuracy)),
        })),
        {
          title: 'Accuracy by cost, prior included',
          x: 'processor seconds',
          y: 'linear probe',
          legend: 'prior',
        },
      ),
      ranking: curves(
        NAMES.map((series) => ({
          ...{ series, x: meanAndStd(of(series, ({ known }) => known.score)).mean },
          ...meanAndStd(of(series, ({ accuracy }) => accuracy)),
        })),
        { title: 'Accuracy after training by score before', x: 'score', y: 'linear probe', legend: 'prior' },
      ),
    },
    numbers: {
      ...{
        rankCorrelation: Object.fromEntries(ranks.map(({ name, mean, std }) => [name, { mean, std }])),
      },
    },
  };
}

export const study = bySeed(ofSeed, answerOf, planOf);
