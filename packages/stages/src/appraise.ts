/** The appraise stage: a sample of the images through a prior, before any more is spent on it. */
import { ProblemError, type StageInputOf, type StageResultOf } from '@rela/contracts';
import type { DecodedImage } from '@rela/datasets';
import { appraiseSample, breathing, type Embedder } from '@rela/prior';
import type { EmbedderCache } from './embed.js';
import { mildViews, readSample } from './sample.js';
import { rowBytes } from './targets.js';
import { type StageTools, secondsSince } from './tools.js';

/** Images that are embedded a second time. */
const REPEATED = 32;

/** Embeddings [n, m] of the images. */
export async function embedAll(
  embedder: Embedder,
  images: Iterable<DecodedImage>,
  onRows: (rows: number) => void = () => undefined,
): Promise<Float32Array> {
  const parts: Float32Array[] = [];
  for await (const rows of embedder.embed(images)) {
    parts.push(rows);
    onRows(rows.length / embedder.width);
  }
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** @throws ProblemError `invalid-model` where the prior carries nothing and the input says that this is to fail */
export async function appraisePrior(
  input: StageInputOf<'appraise'>,
  cache: EmbedderCache,
  tools: StageTools,
): Promise<StageResultOf<'appraise'>> {
  const started = performance.now();
  const { name, prior, seed, k, gates } = input;
  const images = await readSample(input.sample, tools);
  const embedder = await cache.get(prior, tools.store);
  const again = images.slice(0, REPEATED);
  const total = 2 * images.length + again.length;
  let done = 0;
  const count = (rows: number) => {
    tools.signal.throwIfAborted();
    done += rows;
    tools.progress(done, total, 'images');
  };
  const embedding = performance.now();
  const rows = await embedAll(embedder, images, count);
  const secondsPerImage = secondsSince(embedding) / images.length;
  const largest = Math.min(prior.preprocessing.height, prior.preprocessing.width);
  const views = await embedAll(embedder, mildViews(images, { largest, seed }), count);
  // Backwards, so that an image stands in another place of its batch.
  const backwards = await embedAll(embedder, again.toReversed(), count);
  const repeated = new Float32Array(backwards.length);
  for (let row = 0; row < again.length; row++)
    repeated.set(
      backwards.subarray(row * prior.width, (row + 1) * prior.width),
      (again.length - 1 - row) * prior.width,
    );
  const appraised = await appraiseSample(
    { width: prior.width, rows, views, repeated, labels: images.map(({ label }) => label) },
    { most: k, gates, breath: breathing(tools.signal) },
  );
  if (appraised.refused !== null && input.refuse)
    throw new ProblemError(
      'invalid-model',
      `Prior "${name}" carries nothing to learn from: ${appraised.refused}.`,
    );
  return {
    kind: 'appraise',
    ...{ name, prior: prior.digest, ...appraised, secondsPerImage, width: prior.width },
    embeddings: (await tools.store.write(rowBytes(rows), { signal: tools.signal })).digest,
    seconds: secondsSince(started),
  };
}
