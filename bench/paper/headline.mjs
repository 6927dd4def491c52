// The claim that the service is there for: the accuracy of BYOL at a part of its cost. Fashion-MNIST, a prior that knows digits, and as
// controls BYOL alone: with the same number of epochs, and trained to its plateau. Cost is processor seconds on this machine, those of
// the prior included: its training, the embedding of the images, and the reduction to targets.
import { relaPresets } from '@rela/contracts';
import { curves } from './laboratory/charts.mjs';
import { bySeed } from './laboratory/lab.mjs';
import { PRIOR, PRIORS } from './laboratory/setting.mjs';
import { curveRows, lookRow, overSeeds, percent, points, toldOf } from './laboratory/shown.mjs';
import { meanAndStd } from './laboratory/statistics.mjs';

/** Of the control, in epochs between looks, of which those of a run with ReLA are a multiple, and in all. */
const CONTROL = { full: { every: 4, atMost: 76 }, quick: { every: 1, atMost: 3 } };
const RATIOS = [0.5, 0.25, 0.1];
/** What all of its further training may add to a control at its plateau. */
const PLATEAU = 0.003;
/** Of the plateaued control's images, what a run with ReLA has to reach it. */
const ROOM = 0.5;
/** Share of that which it uses even where it has reached it: to be seen beyond it. */
const BEYOND = 0.4;
/** Shares of a run with ReLA at which it is looked at. */
const LOOKS = {
  full: {
    early: [0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1],
    late: [0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1],
  },
  quick: { early: [0.5, 1], late: [0.5, 1] },
};

const MUST = { control: 0.35, plateau: 0.5 };
const shownAs = ({ mean, std }) => `${percent(mean)} ± ${percent(std)}`;

/**
 * What ReLA has to reach: the control of as many epochs, and the one at its plateau. The plateau begins at the first look that no later
 * one, to the end of the run and over another half of its own cost at least, betters by PLATEAU; where there is none, the run's end counts.
 * BYOL rests on its way and goes on, so a run that stops at the first rest would be too easy to reach. Looks are noisy: the plateau costs
 * what it cost to get there, and has the accuracy of the best look of all. The first rest is a goal of its own, the easier one: the first
 * look that the one at another half of its cost betters by less than PLATEAU.
 */
function goalsOf(control, from) {
  const [best] = control.toSorted((a, b) => b.accuracy - a.accuracy);
  const end = control.at(-1);
  const isPlateau = ({ step, accuracy }) =>
    step >= from && 1.5 * step <= end.step && best.accuracy < accuracy + PLATEAU;
  const plateau = control.find(isPlateau) ?? end;
  const isRest = ({ step, accuracy }) => {
    const later = control.find((look) => look.step >= 1.5 * step);
    return step >= from && later !== undefined && later.accuracy < accuracy + PLATEAU;
  };
  return {
    first: control.find(({ step }) => step >= from),
    rest: control.find(isRest) ?? end,
    plateau: { ...plateau, accuracy: best.accuracy, knn: best.knn, isEnd: plateau === end },
  };
}

/** The second of the first two looks in a row that are no worse; undefined where there are none. One look alone may be luck. */
const reached = (looks, accuracy) =>
  looks.find(
    (look, place) => place > 0 && look.accuracy >= accuracy && looks[place - 1].accuracy >= accuracy,
  );

const planOf = ({ quick }) => {
  const size = quick ? 'quick' : 'full';
  return {
    control: CONTROL[size],
    shares: LOOKS[size],
    room: ROOM,
    beyond: BEYOND,
    prior: PRIORS[PRIOR],
    presets: relaPresets,
  };
};

async function ofSeed(lab, seed, { epochs, control: { every, atMost }, shares: { early, late } }, say) {
  const told = (name) => toldOf(say, seed, name);
  const perEpoch = lab.stepsPerEpoch();

  const knowing = await lab.prior(PRIOR, seed);
  const ofDigits = await lab.targets(knowing);
  const blank = await lab.prior('untrained', seed);
  const ofNothing = await lab.targets(blank);
  const priors = { digits: await lab.judge(knowing), untrained: await lab.judge(blank) };

  const { looks: control } = await lab.curve(
    { seed, rela: null, epochs: atMost },
    {
      looks: Array.from({ length: atMost / every }, (_, look) => (look + 1) * every * perEpoch),
      onLook: told('control'),
    },
  );
  const { plateau } = goalsOf(control, epochs * perEpoch);

  /** A run of so many epochs at a ratio, looked at where the shares of it are. */
  const run = async (name, { ratio, length, rela, targets = null, shares, goal = null }) => {
    const steps = length * lab.stepsPerEpoch({ dataRatio: ratio });
    const looks = [...new Set(shares.map((share) => Math.max(1, Math.round(share * steps))))];
    const made = await lab.curve(
      { seed, rela, dataRatio: ratio, epochs: length },
      {
        ...{ targets, looks, onLook: told(name) },
        mayStopAt: (step) => goal !== null && step >= BEYOND * steps,
        stop: (seen) =>
          goal !== null && seen.at(-1).step >= BEYOND * steps && reached(seen, goal) !== undefined,
      },
    );
    return { ...made, ratio };
  };
  const { recommended, faithful } = relaPresets;
  const { targets } = ofDigits;
  const half = await run('BYOL at 50 %', { ratio: 0.5, length: epochs, rela: null, shares: [1] });
  const short = { recommended: [], faithful: [] };
  for (const ratio of RATIOS)
    for (const [name, rela] of Object.entries({ recommended, faithful })) {
      const shares = ratio === RATIOS[0] ? early : [1];
      short[name].push(
        await run(`${name} at ${percent(ratio)}`, { ratio, length: epochs, rela, targets, shares }),
      );
    }
  const length = Math.ceil((ROOM * plateau.step) / perEpoch / RATIOS[0]);
  const toPlateau = { ratio: RATIOS[0], length, shares: late, goal: plateau.accuracy };
  const long = {
    recommended: await run('recommended, long', { ...toPlateau, rela: recommended, targets }),
    faithful: await run('faithful, long', { ...toPlateau, rela: faithful, targets }),
    untrained: await run('recommended, untrained prior, long', {
      ...{ ...toPlateau, rela: recommended, targets: ofNothing.targets },
    }),
  };
  const priorCosts = { training: knowing.training, targets: ofDigits.making, blank: ofNothing.making };
  return { perEpoch, priors, priorCosts, control, half, short, long };
}

/** What a seed's runs come to: the controls, and the shares of their cost at which ReLA has reached them. */
function judged({ perEpoch, control, short, long, priorCosts, ...others }, epochs) {
  const { first, rest, plateau } = goalsOf(control, epochs * perEpoch);
  const { training, targets, blank } = priorCosts;
  const costs = (unit) => {
    // Operations are those of the training alone.
    const ofPriors = (...costs) => costs.reduce((sum, cost) => sum + (cost[unit] ?? 0), 0);
    const spent = (looks, goal, before = ofPriors(training, targets)) => {
      const look = reached(looks, goal.accuracy);
      return look ? (look[unit] + before) / goal[unit] : null;
    };
    return {
      control: {
        recommended: spent(short.recommended[0].looks, first),
        faithful: spent(short.faithful[0].looks, first),
      },
      rest: {
        recommended: spent(long.recommended.looks, rest),
        faithful: spent(long.faithful.looks, rest),
      },
      plateau: {
        recommended: spent(long.recommended.looks, plateau),
        faithful: spent(long.faithful.looks, plateau),
        untrained: spent(long.untrained.looks, plateau, ofPriors(blank)),
      },
    };
  };
  const shares = {
    seconds: costs('seconds'),
    wallSeconds: costs('wallSeconds'),
    flops: costs('flops'),
  };
  return { ...others, control, short, long, first, rest, plateau, ...shares };
}

/** Of the seeds that reached it; null where one did not. */
const share = (found, of) => {
  const values = found.map(of);
  return values.includes(null) ? null : meanAndStd(values);
};
const orNever = (cost) => (cost ? shownAs(cost) : 'not reached by every seed');

function claimsOf(found) {
  const costToControl = share(found, ({ seconds }) => seconds.control.recommended);
  const costToRest = share(found, ({ seconds }) => seconds.rest.recommended);
  const costToPlateau = share(found, ({ seconds }) => seconds.plateau.recommended);
  const last = ({ looks }) => looks.at(-1).accuracy;
  const ahead = meanAndStd(found.map(({ short, first }) => last(short.recommended[0]) - first.accuracy));
  return [
    {
      claim:
        'With half of the images an epoch and as many epochs, ReLA is no worse than BYOL with all of them',
      holds: ahead.mean >= 0,
      shown: `the recommended preset at 50 % against the control: ${points(ahead)}`,
    },
    {
      claim: `ReLA reaches the control of as many epochs at ${percent(MUST.control)} of its processor seconds or less`,
      holds: costToControl !== null && costToControl.mean <= MUST.control,
      shown: orNever(costToControl),
    },
    {
      claim: `ReLA reaches the control's first rest (another half of its cost adds less than ${100 * PLATEAU} points) at ${percent(MUST.plateau)} of its processor seconds or less`,
      holds: costToRest !== null && costToRest.mean <= MUST.plateau,
      shown: `${orNever(costToRest)}; the rests are at ${found.map(({ rest }) => `${percent(rest.accuracy)} after ${rest.step} steps`).join(', ')}`,
    },
    {
      claim: `ReLA reaches the plateaued control (nothing of its further training adds ${100 * PLATEAU} points) at ${percent(MUST.plateau)} of its processor seconds or less`,
      holds: costToPlateau !== null && costToPlateau.mean <= MUST.plateau,
      shown: `${orNever(costToPlateau)}; ${found.filter(({ plateau }) => plateau.isEnd).length} of ${found.length} controls had no plateau by their end, which counts then`,
    },
  ];
}

function tablesOf(found, epochs) {
  const ends = (of) => found.map((seed) => of(seed).looks.at(-1));
  const accuracyRow = (name, images, looks) => lookRow(name, looks, { 'images an epoch': images });
  const toReach = (name, goal, preset) => ({
    preset: name,
    goal,
    'share of its processor seconds': orNever(share(found, ({ seconds }) => seconds[goal][preset])),
    'by the clock': orNever(share(found, ({ wallSeconds }) => wallSeconds[goal][preset])),
    'share of its operations': orNever(share(found, ({ flops }) => flops[goal][preset])),
    'reached by': `${found.filter(({ seconds }) => seconds[goal][preset] !== null).length} of ${found.length}`,
  });
  return [
    {
      title: 'The priors themselves',
      rows: ['untrained', 'digits'].map((prior) => ({
        prior,
        'linear probe': overSeeds(found.map(({ priors }) => priors[prior].accuracy)),
        kNN: overSeeds(found.map(({ priors }) => priors[prior].knn)),
      })),
    },
    {
      title: `Accuracy after ${epochs} epochs`,
      rows: [
        accuracyRow(
          'BYOL',
          '100 %',
          found.map(({ first }) => first),
        ),
        accuracyRow(
          'BYOL',
          '50 %',
          ends(({ half }) => half),
        ),
        ...['recommended', 'faithful'].flatMap((preset) =>
          RATIOS.map((ratio, place) =>
            accuracyRow(
              `ReLA, ${preset}`,
              percent(ratio),
              ends(({ short }) => short[preset][place]),
            ),
          ),
        ),
      ],
    },
    {
      title: 'Trained to the plateau',
      rows: [
        accuracyRow(
          'BYOL, at its plateau',
          '100 %',
          found.map(({ plateau }) => plateau),
        ),
        ...['recommended', 'faithful', 'untrained'].map((name) =>
          accuracyRow(
            name === 'untrained' ? 'ReLA, recommended, untrained prior' : `ReLA, ${name}`,
            '50 %',
            ends(({ long }) => long[name]),
          ),
        ),
      ],
    },
    {
      title:
        'Cost to reach the controls: processor seconds and seconds by the clock with those of the prior, operations of training alone',
      rows: [
        toReach('recommended', 'control', 'recommended'),
        toReach('faithful', 'control', 'faithful'),
        toReach('recommended', 'rest', 'recommended'),
        toReach('faithful', 'rest', 'faithful'),
        toReach('recommended', 'plateau', 'recommended'),
        toReach('faithful', 'plateau', 'faithful'),
        toReach('recommended, untrained prior', 'plateau', 'untrained'),
      ],
    },
  ];
}

/** Mean accuracy over cost; every seed is looked at after the same steps, as far as all of them went. */
function figuresOf(found) {
  const rows = (series, of) => curveRows(series, found.map(of), { x: 'seconds', y: 'accuracy' });
  const title = 'Accuracy over cost';
  return {
    cost: curves(
      [
        ...rows('BYOL, 100 %', ({ control }) => control),
        ...rows('ReLA, recommended, 50 %', ({ long }) => long.recommended.looks),
        ...rows('ReLA, faithful, 50 %', ({ long }) => long.faithful.looks),
        ...rows('ReLA, untrained prior, 50 %', ({ long }) => long.untrained.looks),
      ],
      { title, x: 'processor seconds of training', y: 'linear probe', legend: 'run' },
    ),
  };
}

function answerOf({ plan: { epochs }, found }) {
  const all = found.map((runs) => judged(runs, epochs));
  return {
    title: 'The accuracy of BYOL at a part of its cost',
    claims: claimsOf(all),
    tables: tablesOf(all, epochs),
    figures: figuresOf(all),
    numbers: {
      costToControl: share(all, ({ seconds }) => seconds.control.recommended),
      costToRest: share(all, ({ seconds }) => seconds.rest.recommended),
      costToPlateau: share(all, ({ seconds }) => seconds.plateau.recommended),
      sharesOfCost: all.map(({ seconds, wallSeconds, flops }) => ({ seconds, wallSeconds, flops })),
    },
  };
}

export const study = bySeed(ofSeed, answerOf, planOf);
