// A prior of a bench: a backbone with random weights, exported and registered as a user's model is.
import { inspectPrior, priorDigest } from '@rela/prior';
import { createRandomPrior } from '@rela/stages';

/** @param prior { name, stem, imageSize }; @returns what the embed stage is given as its prior */
export async function makePrior({ name, stem, imageSize }, store) {
  const bytes = await createRandomPrior({
    kind: 'random',
    backbone: { name, stem },
    imageSize,
    channels: 3,
    seed: 0,
  });
  const { model: rewritten, ...inspected } = await inspectPrior(bytes, {});
  const { digest: model } = await store.write(rewritten ?? bytes);
  return { ...inspected, model, digest: priorDigest({ ...inspected, model }) };
}
