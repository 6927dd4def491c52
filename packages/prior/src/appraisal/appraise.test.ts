/** Which priors a sample finds worthless, which suspicious, and what it measures of good ones. Embeddings are made of latent factors. */
import { DEFAULT_GATES, Gates } from '@rela/contracts';
import { describe, expect, it } from 'vitest';
import { breathing } from '../breath.js';
import { seeded } from '../testing/models.js';
import { type AppraisedSample, appraiseSample } from './appraise.js';
import { compareCandidates, representationDistance } from './compare.js';
import { effectiveRank, linearAlignment } from './measures.js';
import { transportDistance } from './transport-distance.js';

const IMAGES = 120;
const FACTORS = 8;

/** What `IMAGES` images show, [n, FACTORS], and what their views leave of it. */
const factors = normals('factors', IMAGES * FACTORS);
const jitter = normals('jitter', IMAGES * FACTORS);
const viewed = factors.map((value, index) => value + 0.5 * jitter[index]!);

/** Nearly normal: sums of twelve uniform numbers. The stream is told by its name. */
function normals(name: string, length: number): Float64Array {
  const random = seeded([...name].reduce((sum, letter) => 31 * sum + letter.charCodeAt(0), 7));
  return Float64Array.from({ length }, () => {
    let sum = 0;
    for (let draw = 0; draw < 12; draw++) sum += random();
    return sum / 2;
  });
}

/** Embeddings [n, width] of a linear prior that reads the factors from `from` to `to`. */
function embed(shown: Float64Array, width: number, { from = 0, to = FACTORS, scale = 1, offset = 0 } = {}) {
  const weights = normals(`weights ${width}`, width * FACTORS);
  const rows = new Float32Array((shown.length / FACTORS) * width);
  for (let index = 0; index < rows.length; index++) {
    const [image, feature] = [Math.floor(index / width), index % width];
    let sum = offset;
    for (let factor = from; factor < to; factor++)
      sum += scale * shown[image * FACTORS + factor]! * weights[feature * FACTORS + factor]!;
    rows[index] = sum;
  }
  return rows;
}

const noise = (name: string, images: number, width: number) =>
  Float32Array.from(normals(name, images * width));

function sampleOf(width: number, options: Parameters<typeof embed>[2] = {}): AppraisedSample {
  const rows = embed(factors, width, options);
  return {
    ...{ width, rows, views: embed(viewed, width, options), repeated: rows.slice(0, 32 * width) },
    labels: Array.from({ length: IMAGES }, (_, image) => (factors[image * FACTORS]! > 0 ? 1 : 0)),
  };
}

const judge = (sample: AppraisedSample, gates: object = {}) =>
  appraiseSample(sample, { most: 16, gates: Gates.parse(gates), breath: breathing() });

describe('a prior', () => {
  it.each([12, 300])('that tells images apart passes without a flag, of width %i', async (width) => {
    const found = await judge(sampleOf(width));
    expect(found).toMatchObject({
      refused: null,
      flags: [],
      rank: FACTORS,
      repeatability: 1,
      images: IMAGES,
    });
    expect(found.agreement).toBeGreaterThan(0.9);
    expect(found.effectiveRank).toBeGreaterThan(3);
    expect(found.effectiveRank).toBeLessThanOrEqual(FACTORS);
    expect(found.knn).toBeGreaterThan(0.6);
  });

  it('whose output is constant is refused, also where rounding moves it', async () => {
    const constant = (images: number) =>
      Float32Array.from({ length: images * 6 }, (_, index) => 3 + (index % 7 === 0 ? 2.4e-7 : 0));
    const sample = { rows: constant(IMAGES), views: constant(IMAGES), repeated: constant(32) };
    const found = await judge({ width: 6, ...sample, labels: new Array(IMAGES).fill(null) });
    expect(found.refused).toContain(`the same for all of ${IMAGES} images`);
    expect(found).toMatchObject({ rank: 0, effectiveRank: 0, signal: 0, knn: null });
  });

  it('that draws its output anew is refused', async () => {
    const drawn = {
      ...{ rows: noise('a', IMAGES, 12), views: noise('b', IMAGES, 12), repeated: noise('c', 32, 12) },
    };
    const found = await judge({ width: 12, ...drawn, labels: new Array(IMAGES).fill(null) });
    expect(found.refused).toContain('not a function of the image');
  });

  it('that is a function of the image and of nothing that its view keeps is flagged, and refused where asked', async () => {
    const rows = noise('hash', IMAGES, 12);
    const hashed = { width: 12, rows, views: noise('other', IMAGES, 12), repeated: rows.slice(0, 32 * 12) };
    const sample = { ...hashed, labels: new Array(IMAGES).fill(null) };
    const found = await judge(sample);
    expect(found).toMatchObject({ refused: null, flags: [expect.stringContaining('augmented view')] });
    expect(found.signal).toBeLessThan(0.15);
    expect((await judge(sample, { flagged: 'refuse' })).refused).toContain('augmented view');
    expect((await judge(sample, { minAgreement: 0 })).flags).toEqual([]);
  });

  it('that varies in one direction is refused, unless the request allows it', async () => {
    const sample = sampleOf(12, { to: 1 });
    expect((await judge(sample)).refused).toContain('a target is a sign');
    expect((await judge(sample, { minRank: 1 })).refused).toBeNull();
  });

  it('with nearly all variance in one direction or in a few images is flagged', async () => {
    const sample = sampleOf(12);
    for (let image = 0; image < IMAGES; image++) sample.rows[image * 12]! += 1000 * factors[image * FACTORS]!;
    expect((await judge(sample)).flags).toContainEqual(
      expect.stringContaining('effective rank 1, less than 1.5'),
    );
    const outlying = sampleOf(12);
    outlying.rows[5] = 1e4;
    expect((await judge(outlying)).flags).toContainEqual(expect.stringContaining('one image in a hundred'));
    expect((await judge(outlying, { maxOutlierShare: 1, minEffectiveRank: 1 })).flags).toEqual([]);
  });

  it('is judged the same where its embeddings are scaled and moved', async () => {
    const [plain, moved] = [await judge(sampleOf(12)), await judge(sampleOf(12, { scale: 40, offset: -3 }))];
    expect(moved.effectiveRank).toBeCloseTo(plain.effectiveRank, 3);
    expect(moved.agreement).toBeCloseTo(plain.agreement, 3);
    expect(moved.signal).toBeCloseTo(plain.signal, 3);
  });
});

it('the effective rank of equal variances is their number, of one variance 1, of none 0', () => {
  expect(effectiveRank(Float64Array.of(2, 2, 2, 0))).toBeCloseTo(3, 12);
  expect(effectiveRank(Float64Array.of(5, 0, 0))).toBeCloseTo(1, 12);
  expect(effectiveRank(Float64Array.of(0, 0))).toBe(0);
});

it('the transport distance is near 0 from a turned copy and 1 from noise', async () => {
  const turned = Float64Array.from(factors, (_, index) => {
    const [image, factor] = [Math.floor(index / FACTORS), index % FACTORS];
    return factors[image * FACTORS + ((factor + 3) % FACTORS)]! * (factor % 2 ? 1 : -1);
  });
  expect(await transportDistance(factors, turned, IMAGES)).toBeLessThan(0.03);
  expect(await transportDistance(jitter, turned, IMAGES)).toBeGreaterThan(0.9);
  expect(await linearAlignment(factors, turned, IMAGES)).toBeCloseTo(1, 10);
});

it('a representation is as far from another as the share of its variance that the other does not tell', async () => {
  const known = { rows: Float32Array.from(factors), width: FACTORS };
  // Beside all factors one dimension of noise, with a fourth of the variance of all and moved.
  const width = FACTORS + 1;
  const loud = Math.sqrt(FACTORS / 3);
  const unknown = normals('unknown', IMAGES);
  const rows = Float32Array.from({ length: IMAGES * width }, (_, index) => {
    const [image, column] = [Math.floor(index / width), index % width];
    return column < FACTORS ? factors[image * FACTORS + column]! : 5 + loud * unknown[image]!;
  });
  const distance = await representationDistance(known, { rows, width }, breathing());
  expect(distance).toBeGreaterThan(0.2);
  expect(distance).toBeLessThan(0.4);
});

it('wide candidates are told apart by few images: the one that knows most is the nearest, noise is far', async () => {
  const WIDE = 96;
  const wide = (seed: string, to: number) => {
    const hidden = noise(seed, IMAGES, WIDE);
    const rows = embed(factors, WIDE, { to }).map((value, index) => 2 * value + hidden[index]!);
    return { rows, width: WIDE, signal: 0.5 };
  };
  const candidates = [wide('all', FACTORS), wide('some', 2), wide('none', 0)];
  const compared = await compareCandidates(candidates, candidates[2]!, { most: WIDE, breath: breathing() });
  const [all, some, none] = compared.map(({ score }) => score);
  expect(all).toBeGreaterThan(1.2 * some!);
  expect(some).toBeGreaterThan(1.2 * none!);
  expect(all).toBeGreaterThan(0.2);
});

it('of candidates the one that tells what the others know has the best score, noise the worst', async () => {
  const widths = [12, 300, 40];
  const samples = [sampleOf(12), sampleOf(300, { to: 4 }), sampleOf(40, { from: 2, to: 6 })];
  const rows = noise('hash', IMAGES, 12);
  const candidates = [
    ...samples.map((sample, at) => ({ rows: sample.rows, width: widths[at]! })),
    { rows, width: 12 },
  ];
  const signals = await Promise.all(samples.map(async (sample) => (await judge(sample)).signal));
  const student = { rows: embed(factors, 20, { from: 6 }), width: 20 };
  const compared = await compareCandidates(
    candidates.map((candidate, at) => ({ ...candidate, signal: signals[at] ?? 0.05 })),
    student,
    { most: FACTORS, breath: breathing() },
  );
  const scores = compared.map(({ score }) => score);
  expect(scores.indexOf(Math.max(...scores))).toBe(0);
  expect(scores.indexOf(Math.min(...scores))).toBe(3);
  // The student knows two of the eight factors, and none of those that the third candidate reads.
  expect(compared[0]!.reached).toBeGreaterThan(0.15);
  expect(compared[2]!.reached).toBeLessThan(0.1);
  expect(DEFAULT_GATES.minRank).toBe(2);
});
