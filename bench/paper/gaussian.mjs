// Why efficient data are efficient, on a mixture of two Gaussians (the paper's Definition 3, Theorems 1 and 2, Figures 2 and 3). A logistic
// model with two weights is trained with the squared error on fresh samples: of another spread Σ than the original, or with labels
// moved by ρ towards the ideal ones, P(y = 1 | x). What counts is its distance to the ideal model on samples of the original spread.
import { compile, tf } from '@rela/engine';
import { createRandom } from '@rela/random';
import { curves, samples, surfaceWithWays } from './laboratory/charts.mjs';
import { correlation, meanAndStd, rankCorrelation } from './laboratory/statistics.mjs';

/** The classes lie at ±(1, 1) · MEAN, with this spread. They overlap, so that labels are noisy. */
const MEAN = 0.5;
const SPREAD = 1;
const SPREADS = [0.01, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5];
const RATIOS = [0, 0.2, 0.4, 0.6, 0.8, 1];
/** Whose ways are drawn on the surface. */
const DRAWN = { spreads: [0.1, 0.6, 1], ratios: [0, 0.6, 1] };
const BATCH = 4;
const LEARNING_RATE = 0.1;
/** Steps after which the distance is taken. */
const BUDGETS = { full: [25, 50, 100, 200, 400, 800, 1600, 3200], quick: [25, 100, 400] };
const SEEDS = { full: 10, quick: 3 };
const VALIDATION = 4096;
/** Samples whose gradients give the noise. */
const NOISE_SAMPLES = 20000;
const SURFACE = { from: -3, to: 5, cells: 17 };

const ORIGINAL = { spread: SPREAD, ratio: 0 };
const tensor = (shape, data) => ({ shape, dtype: 'float32', data: Float32Array.from(data) });
const sigmoid = (x) => 1 / (1 + Math.exp(-x));
/** Of the ideal model: log P(y = 1 | x) / P(y = 0 | x) = 2 MEAN (x₁ + x₂) / SPREAD². */
const IDEAL = (2 * MEAN) / SPREAD ** 2;
const ideal = (a, b) => sigmoid(IDEAL * (a + b));

/** `count` samples x [count, 2] with targets y [count, 1]. */
function draw(random, count, { spread, ratio }) {
  const x = new Float32Array(2 * count);
  const y = new Float32Array(count);
  for (let row = 0; row < count; row++) {
    const label = random.int(2);
    const mean = MEAN * (2 * label - 1);
    const [a, b] = [mean + spread * random.normal(), mean + spread * random.normal()];
    x.set([a, b], 2 * row);
    y[row] = ratio * ideal(a, b) + (1 - ratio) * label;
  }
  return { x: tensor([count, 2], x), y: tensor([count, 1], y) };
}

const firstWeights = (seed) => {
  const random = createRandom(seed, 'weights');
  return { w: tensor([2, 1], [1.5 * random.normal(), 1.5 * random.normal()]) };
};

const squaredError = (w, { x, y }) => tf.mean(tf.square(tf.sub(tf.sigmoid(tf.matMul(x, w)), y)));

async function compileSteps() {
  const options = { engine: 'compiled', threads: 1 };
  const train = await compile(
    ({ w }, batch) => {
      const { value, grads } = tf.valueAndGrads((v) => squaredError(v, batch))([w]);
      return { state: { w: tf.sub(w, tf.mul(LEARNING_RATE, grads[0])) }, metrics: { loss: value } };
    },
    { ...options, state: firstWeights(0), batch: draw(createRandom(0), BATCH, ORIGINAL) },
  );
  const validation = draw(createRandom(0, 'validation'), VALIDATION, { spread: SPREAD, ratio: 1 });
  const validate = await compile(
    (_, { w, ...batch }) => ({ state: {}, metrics: { distance: squaredError(w, batch) } }),
    {
      ...options,
      state: { none: tensor([], [0]) },
      batch: { ...validation, ...firstWeights(0) },
    },
  );
  return {
    train,
    /** mean (f(x) − P(y = 1 | x))² over the original samples */
    distanceOf: async ({ w }) => (await validate.run({ ...validation, w })).distance.data[0],
    dispose: () => Promise.all([train.dispose(), validate.dispose()]),
  };
}

/** Distances at every budget, and the way that the weights took. */
async function runOnce({ train, distanceOf }, data, seed, budgets) {
  await train.load(firstWeights(seed));
  const random = createRandom(seed, 'samples');
  const distances = [];
  const way = [];
  for (let step = 1; step <= budgets.at(-1); step++) {
    await train.run(draw(random, BATCH, data));
    const isBudget = budgets.includes(step);
    if (!isBudget && step % 20 !== 0) continue;
    const state = await train.state();
    way.push({ at: step, x: state.w.data[0], y: state.w.data[1] });
    if (isBudget) distances.push(await distanceOf(state));
  }
  return { distances, way };
}

/** For every value of what is varied, mean and spread over the seeds at every budget. */
async function vary(steps, values, dataOf, { seeds, budgets, say }) {
  const found = [];
  for (const value of values) {
    const runs = [];
    for (let seed = 0; seed < seeds; seed++) runs.push(await runOnce(steps, dataOf(value), seed, budgets));
    const at = budgets.map((budget, index) => ({
      budget,
      ...meanAndStd(runs.map(({ distances }) => distances[index])),
    }));
    say(`${value}: ${at.map(({ mean }) => mean.toPrecision(3)).join(' ')}`);
    found.push({ value, at, way: runs[0].way });
  }
  return found;
}

/** Total variance of the gradient of one sample at the ideal weights: what remains to disturb a model that is there. */
function gradientNoise(ratio) {
  const random = createRandom(0, 'noise');
  const { x, y } = draw(random, NOISE_SAMPLES, { spread: SPREAD, ratio });
  const gradients = [[], []];
  for (let row = 0; row < NOISE_SAMPLES; row++) {
    const at = [x.data[2 * row], x.data[2 * row + 1]];
    const f = ideal(...at);
    for (const [axis, value] of at.entries())
      gradients[axis].push(2 * (f - y.data[row]) * f * (1 - f) * value);
  }
  return gradients.reduce((sum, values) => sum + meanAndStd(values).std ** 2, 0);
}

async function surfaceOf({ distanceOf }) {
  const { from, to, cells } = SURFACE;
  const step = (to - from) / (cells - 1);
  const surface = [];
  for (let row = 0; row < cells; row++)
    for (let column = 0; column < cells; column++) {
      const [x, y] = [from + column * step, from + row * step];
      surface.push({ x, y, value: await distanceOf({ w: tensor([2, 1], [x, y]) }) });
    }
  return { surface, step };
}

const best = (found, index) => found.reduce((a, b) => (b.at[index].mean < a.at[index].mean ? b : a)).value;
const shown = ({ mean, std }) => `${mean.toPrecision(3)} ± ${std.toPrecision(2)}`;
const tableOf = (found, name) =>
  found.map(({ value, at }) => ({
    [name]: value,
    ...Object.fromEntries(at.map((entry) => [`${entry.budget} steps`, shown(entry)])),
  }));
const meansAt = (found, index) => found.map(({ at }) => at[index].mean);
const waysOf = (found, drawn, name) =>
  found
    .filter(({ value }) => drawn.includes(value))
    .flatMap(({ value, way }) => way.map((point) => ({ ...point, series: `${name} = ${value}` })));

function claimsOf(bySpread, byRatio, noise, budgets) {
  const narrower = bySpread.filter(({ value }) => value <= SPREAD);
  const towards = narrower.map(({ value }) => value);
  const early = rankCorrelation(towards, meansAt(narrower, 0));
  const late = rankCorrelation(towards, meansAt(narrower, budgets.length - 1));
  const bests = budgets.map((budget, index) => ({ budget, value: best(bySpread, index) }));
  const inner = bests.filter(({ value }) => value > SPREADS[0] && value < SPREAD);
  const ratios = budgets.map((_, index) => rankCorrelation(RATIOS, meansAt(byRatio, index)));
  const quadratic = correlation(
    RATIOS.map((ratio) => (1 - ratio) ** 2),
    noise,
  );
  return [
    {
      claim: 'A smaller Σ converges faster at first (Theorem 1)',
      holds: early > 0.7,
      shown: `rank correlation of Σ ≤ ${SPREAD} with the distance after ${budgets[0]} steps: ${early.toFixed(2)}`,
    },
    {
      claim: 'Too little variety costs generalisation in the end',
      holds: late < -0.7,
      shown: `the same after ${budgets.at(-1)} steps: ${late.toFixed(2)}`,
    },
    {
      claim: 'Between the two, a Σ below the original and above none is best (Figure 2)',
      holds: inner.length > 0,
      shown: `best Σ by budget: ${bests.map(({ budget, value }) => `${value} (${budget})`).join(', ')}`,
    },
    {
      claim: `After ${budgets.at(-1)} steps, targets nearer to the ideal ones are better, ρ = 1 best (Theorem 2, Figure 3)`,
      holds: ratios.at(-1) < -0.7 && best(byRatio, budgets.length - 1) === 1,
      shown: `rank correlation of ρ with the distance, by budget: ${budgets.map((budget, index) => `${ratios[index].toFixed(2)} (${budget})`).join(', ')}`,
    },
    {
      claim: 'What ρ takes away is the noise of the gradient, as (1 − ρ)²',
      holds: quadratic > 0.999 && noise.at(-1) < 1e-9,
      shown: `correlation of the noise at the ideal weights with (1 − ρ)²: ${quadratic.toFixed(4)}; at ρ = 1: ${noise.at(-1).toPrecision(2)}`,
    },
  ];
}

export async function study({ quick, say }) {
  const budgets = quick ? BUDGETS.quick : BUDGETS.full;
  const seeds = quick ? SEEDS.quick : SEEDS.full;
  const steps = await compileSteps();
  try {
    const options = { seeds, budgets, say };
    const bySpread = await vary(steps, SPREADS, (spread) => ({ spread, ratio: 0 }), options);
    const byRatio = await vary(steps, RATIOS, (ratio) => ({ spread: SPREAD, ratio }), options);
    const noise = RATIOS.map(gradientNoise);
    const { surface, step } = await surfaceOf(steps);
    const byBudget = (found, name) =>
      found.flatMap(({ value, at }) =>
        at.map(({ budget, mean, std }) => ({ x: value, mean, std, series: `${budget} steps`, name })),
      );
    const onSurface = (found, drawn, name) =>
      surfaceWithWays(surface, waysOf(found, drawn, name), {
        ...{
          title: `Training with different ${name}`,
          x: 'w₁',
          y: 'w₂',
          value: 'distance',
          legend: name,
          step,
        },
      });
    const { x, y } = draw(createRandom(1), 400, { spread: 0.6, ratio: 1 });
    return {
      title: 'Efficient data on two Gaussians',
      seeds: Array.from({ length: seeds }, (_, seed) => seed),
      claims: claimsOf(bySpread, byRatio, noise, budgets),
      tables: [
        { title: 'Distance to the ideal model by the spread Σ of the samples', rows: tableOf(bySpread, 'Σ') },
        { title: 'Distance to the ideal model by ρ of the targets', rows: tableOf(byRatio, 'ρ') },
        {
          title: 'Variance of the gradient at the ideal weights',
          rows: RATIOS.map((ratio, at) => ({ ρ: ratio, variance: noise[at].toPrecision(3) })),
        },
      ],
      figures: {
        spread: curves(byBudget(bySpread), {
          ...{ title: 'Samples of another spread', x: 'Σ', y: 'distance to the ideal model', yScale: 'log' },
        }),
        ratio: curves(byBudget(byRatio), {
          ...{
            title: 'Targets moved to the ideal ones',
            x: 'ρ',
            y: 'distance to the ideal model',
            yScale: 'log',
          },
        }),
        'spread-surface': onSurface(bySpread, DRAWN.spreads, 'Σ'),
        'ratio-surface': onSurface(byRatio, DRAWN.ratios, 'ρ'),
        samples: samples(
          Array.from(y.data, (value, row) => ({ x: x.data[2 * row], y: x.data[2 * row + 1], value })),
          { title: 'Samples with Σ = 0.6 and ideal targets', x: 'x₁', y: 'x₂', value: 'y' },
        ),
      },
      numbers: {
        bySpread: bySpread.map(({ way, ...rest }) => rest),
        byRatio: byRatio.map(({ way, ...rest }) => rest),
        noise,
      },
    };
  } finally {
    await steps.dispose();
  }
}
