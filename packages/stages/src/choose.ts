/** The choose stage: ranks candidates by their appraisals, takes one, and plans the rest of the job with it. */
import {
  type Candidate,
  DatasetManifest,
  type JobPlan,
  type PriorChoice,
  ProblemError,
  type StageInputOf,
  type StageResultOf,
} from '@rela/contracts';
import { breathing, compareCandidates, inspectPrior, openEmbedder } from '@rela/prior';
import { embedAll } from './appraise.js';
import { planRest } from './plan-rest.js';
import { createRandomPrior } from './random-prior.js';
import { readSample } from './sample.js';
import { floatRows, readJson } from './targets.js';
import { type StageTools, secondsSince } from './tools.js';

/** Scores that differ by less, as a share of the best, are equal: a sample does not tell them apart, and the cheaper prior is taken. */
const EQUAL = 0.05;

/** Features of the sample by the run's backbone as it is before training. */
async function studentFeatures(
  { sample, student, dataset }: StageInputOf<'choose'>,
  threads: number,
  tools: StageTools,
): Promise<{ rows: Float32Array; width: number }> {
  const { channels } = await readJson(tools.store, dataset, DatasetManifest);
  const { backbone, size: imageSize } = student;
  const source = { kind: 'random', backbone, imageSize, channels, seed: 0 } as const;
  const model = await createRandomPrior(source);
  const { digest } = await tools.store.write(model, { signal: tools.signal });
  const path = await tools.store.localPath(digest);
  const prior = { ...(await inspectPrior(model, {})), digest, model: digest };
  const embedder = await openEmbedder(path, prior, { threads });
  try {
    return { rows: await embedAll(embedder, await readSample(sample, tools)), width: prior.width };
  } finally {
    await embedder.dispose();
  }
}

/** @param appraised results of the candidates' appraise stages, in their order */
export async function choosePrior(
  input: StageInputOf<'choose'>,
  appraised: StageResultOf<'appraise'>[],
  threads: number,
  tools: StageTools,
): Promise<{ result: StageResultOf<'choose'>; plan: JobPlan }> {
  const started = performance.now();
  const { candidates } = input;
  const usable = appraised.filter(({ refused }) => refused === null);
  const embedded: { rows: Float32Array; width: number; signal: number }[] = [];
  for (const { embeddings, width, signal } of usable)
    embedded.push({ rows: floatRows(await tools.store.read(embeddings)), width, signal });
  const compared = await compareCandidates(embedded, await studentFeatures(input, threads, tools), {
    most: input.most,
    breath: breathing(tools.signal),
  });
  const judged = appraised.map((appraisal): Candidate => {
    const { kind: _kind, width: _width, embeddings: _embeddings, seconds: _seconds, ...rest } = appraisal;
    const found = compared[usable.indexOf(appraisal)];
    return { ...rest, ...(found ?? { score: null, distance: null, reached: null, alignment: null }) };
  });
  const choice = rankCandidates(judged, byOf(input));
  const prior = candidates.find(({ digest }) => digest === choice.prior);
  if (!prior) throw new Error(`Prior ${choice.prior} was chosen and is no candidate.`);
  return {
    result: { kind: 'choose', ...choice, seconds: secondsSince(started) },
    plan: await planRest(input, prior, { store: tools.store, appraised: true }),
  };
}

function byOf({ request: { prior } }: StageInputOf<'choose'>): PriorChoice['by'] {
  return typeof prior === 'object' && 'auto' in prior ? prior.by : 'score';
}

const rounded = (value: number) => String(Number(value.toPrecision(3)));

/** Best first, refused ones last. @throws ProblemError `invalid-model` where every candidate is refused */
export function rankCandidates(judged: Candidate[], asked: PriorChoice['by']): PriorChoice {
  const usable = judged.filter(({ refused }) => refused === null);
  const refused = judged.filter((candidate) => candidate.refused !== null);
  if (usable.length === 0)
    throw new ProblemError(
      'invalid-model',
      `No candidate carries anything to learn from. ${refused.map(({ name, refused: why }) => `${name}: ${why}`).join('. ')}.`,
    );
  const by = asked === 'knn' && usable.every(({ knn }) => knn !== null) ? 'knn' : 'score';
  const worth = (candidate: Candidate) => candidate[by] ?? 0;
  const ranked = usable.toSorted((a, b) => worth(b) - worth(a) || (a.prior < b.prior ? -1 : 1));
  const best = ranked[0]!;
  const equals = ranked.filter((candidate) => worth(candidate) >= (1 - EQUAL) * worth(best));
  const taken = equals.reduce((cheapest, candidate) =>
    candidate.secondsPerImage < cheapest.secondsPerImage ? candidate : cheapest,
  );
  const word = by === 'knn' ? 'accuracy of the nearest neighbours' : 'score';
  const next = ranked.find((candidate) => candidate !== taken);
  const reasons = [
    taken === best
      ? `${word} ${rounded(worth(taken))}, the highest${next ? ` (next: ${next.name}, ${rounded(worth(next))})` : ''}`
      : `${word} ${rounded(worth(taken))}, within ${100 * EQUAL} % of the highest (${best.name}, ${rounded(worth(best))}), and the cheapest of those: ${rounded(1000 * taken.secondsPerImage)} ms an image against ${rounded(1000 * best.secondsPerImage)}`,
    ...(asked === 'knn' && by === 'score' ? ['by score, since the sample has no labels of two classes'] : []),
    ...refused.map(({ name, refused: why }) => `${name} is refused: ${why}`),
  ];
  return {
    ...{ prior: taken.prior, name: taken.name, by, reason: reasons.join('. ') },
    candidates: [taken, ...ranked.filter((candidate) => candidate !== taken), ...refused],
  };
}
