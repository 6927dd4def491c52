// The claim that the service is there for: the accuracy of BYOL at a part of its cost. Fashion-MNIST, a prior that knows digits, and as
// controls BYOL alone: with the same number of epochs, and trained to its plateau. Cost is seconds on this machine, those of the prior
// included: its training, the embedding of the images, and the reduction to targets.
import { relaPresets } from '@rela/contracts';
import { curves } from './laboratory/charts.mjs';
import { bySeed } from './laboratory/lab.mjs';
import { PRIOR } from './laboratory/setting.mjs';
import { curveRows, lookRow, overSeeds, percent, points, toldOf } from './laboratory/shown.mjs';
import { meanAndStd } from './laboratory/statistics.mjs';

/** Of the control, in epochs between looks and in all: where it has no plateau by then, its end counts as one. */
const CONTROL = { full: { every: 3, atMost: 75 }, quick: { every: 1, atMost: 3 } };
const RATIOS = [0.5, 0.25, 0.1];
/** What another half of its cost may add to a control at its plateau. */
const PLATEAU = 0.003;
/** Of the plateaued control's images, what a run with ReLA has to reach it. */
const ROOM = 0.6;
/** Shares of a run with ReLA at which it is looked at. */
const LOOKS = {
  full: {
    early: [0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1],
    late: Array.from({ length: 10 }, (_, look) => (look + 1) / 10),
  },
  quick: { early: [0.5, 1], late: [0.5, 1] },
};

const MUST = { control: 0.35, plateau: 0.5 };
const shownAs = ({ mean, std }) => `${percent(mean)} ± ${percent(std)}`;

/** The first look behind which another half of its cost brings less than PLATEAU at any look; undefined before that is known. */
function plateauOf(looks, from) {
  const end = looks.at(-1).step;
  return looks.find(
    ({ step, accuracy }) =>
      step >= from &&
      1.5 * step <= end &&
      looks.every(
        (later) => later.step <= step || later.step > 1.5 * step || later.accuracy < accuracy + PLATEAU,
      ),
  );
}

/** The second of the first two looks in a row that are no worse; undefined where there are none. One look alone may be luck. */
const reached = (looks, accuracy) =>
  looks.find(
    (look, place) => place > 0 && look.accuracy >= accuracy && looks[place - 1].accuracy >= accuracy,
  );

async function ofSeed(lab, seed, { epochs, control: { every, atMost }, shares: { early, late } }, say) {
  const told = (name) => toldOf(say, seed, name);
  const perEpoch = lab.stepsPerEpoch();

  const knowing = await lab.prior(PRIOR, seed);
  const ofDigits = await lab.targets(knowing);
  const priorSeconds = knowing.trainSeconds + ofDigits.seconds;
  const blank = await lab.prior('untrained', seed);
  const ofNothing = await lab.targets(blank);
  const priors = { digits: await lab.judge(knowing), untrained: await lab.judge(blank) };

  const first = epochs * perEpoch;
  const { looks: control } = await lab.curve(
    { seed, rela: null, epochs: atMost },
    {
      looks: Array.from({ length: atMost / every }, (_, look) => (look + 1) * every * perEpoch),
      stop: (looks) => plateauOf(looks, first) !== undefined,
      onLook: told('control'),
    },
  );
  const goal = control.find(({ step }) => step >= first);
  const found = plateauOf(control, first);
  const plateau = found ?? control.at(-1);

  /** A run of so many epochs at a ratio, looked at where the shares of it are. */
  const run = async (name, { ratio, length, rela, targets = null, shares }) => {
    const steps = length * lab.stepsPerEpoch({ dataRatio: ratio });
    const looks = [...new Set(shares.map((share) => Math.max(1, Math.round(share * steps))))];
    const made = await lab.curve(
      { seed, rela, dataRatio: ratio, epochs: length },
      { targets, looks, onLook: told(name) },
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
  const toPlateau = { ratio: RATIOS[0], length, shares: late };
  const long = {
    recommended: await run('recommended, long', { ...toPlateau, rela: recommended, targets }),
    faithful: await run('faithful, long', { ...toPlateau, rela: faithful, targets }),
    untrained: await run('recommended, untrained prior, long', {
      ...{ ...toPlateau, rela: recommended, targets: ofNothing.targets },
    }),
  };
  const costs = (share) => {
    const spent = (looks, accuracy, { extra, of }) => {
      const look = reached(looks, accuracy);
      return look ? (look[share] + (share === 'seconds' ? extra : 0)) / of[share] : null;
    };
    return {
      control: {
        recommended: spent(short.recommended[0].looks, goal.accuracy, { extra: priorSeconds, of: goal }),
        faithful: spent(short.faithful[0].looks, goal.accuracy, { extra: priorSeconds, of: goal }),
      },
      plateau: {
        recommended: spent(long.recommended.looks, plateau.accuracy, { extra: priorSeconds, of: plateau }),
        faithful: spent(long.faithful.looks, plateau.accuracy, { extra: priorSeconds, of: plateau }),
        untrained: spent(long.untrained.looks, plateau.accuracy, { extra: ofNothing.seconds, of: plateau }),
      },
    };
  };
  return {
    ...{ seed, priors, priorSeconds: { training: knowing.trainSeconds, targets: ofDigits.seconds } },
    ...{ control, first: goal, plateau, hasPlateau: found !== undefined },
    ...{ half, short, long, seconds: costs('seconds'), flops: costs('flops') },
  };
}

/** Of the seeds that reached it; null where one did not. */
const share = (found, of) => {
  const values = found.map(of);
  return values.includes(null) ? null : meanAndStd(values);
};
const orNever = (cost) => (cost ? shownAs(cost) : 'not reached by every seed');

function claimsOf(found) {
  const costToControl = share(found, ({ seconds }) => seconds.control.recommended);
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
      claim: `ReLA reaches the control of as many epochs at ${percent(MUST.control)} of its seconds or less`,
      holds: costToControl !== null && costToControl.mean <= MUST.control,
      shown: orNever(costToControl),
    },
    {
      claim: `ReLA reaches the plateaued control at ${percent(MUST.plateau)} of its seconds or less`,
      holds: costToPlateau !== null && costToPlateau.mean <= MUST.plateau,
      shown: orNever(costToPlateau),
    },
  ];
}

function tablesOf(found, epochs) {
  const ends = (of) => found.map((seed) => of(seed).looks.at(-1));
  const accuracyRow = (name, images, looks) => lookRow(name, looks, { 'images an epoch': images });
  const toReach = (name, goal, preset) => ({
    preset: name,
    goal,
    'share of its seconds': orNever(share(found, ({ seconds }) => seconds[goal][preset])),
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
      title: 'Cost to reach the controls: seconds with those of the prior, operations of training alone',
      rows: [
        toReach('recommended', 'control', 'recommended'),
        toReach('faithful', 'control', 'faithful'),
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
      { title, x: 'train seconds', y: 'linear probe', legend: 'run' },
    ),
  };
}

export async function study({ quick, say }) {
  const size = quick ? 'quick' : 'full';
  const further = { control: CONTROL[size], shares: LOOKS[size] };
  const { setting, seeds, plan, found } = await bySeed({ quick, say }, ofSeed, further);
  return {
    title: 'The accuracy of BYOL at a part of its cost',
    seeds,
    claims: claimsOf(found),
    tables: tablesOf(found, plan.epochs),
    figures: figuresOf(found),
    numbers: {
      setting,
      ...plan,
      presets: relaPresets,
      costToControl: share(found, ({ seconds }) => seconds.control.recommended),
      costToPlateau: share(found, ({ seconds }) => seconds.plateau.recommended),
      runs: found,
    },
  };
}
