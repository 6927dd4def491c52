// Priors of a bench, registered as a user's model is.
import { inspectPrior, priorDigest } from '@rela/prior';
import { createRandomPrior } from '@rela/stages';

/** @param bytes an ONNX file; @returns what the embed stage is given as its prior */
export async function registerPrior(bytes, store) {
  const { model: rewritten, ...inspected } = await inspectPrior(bytes, {});
  const { digest: model } = await store.write(rewritten ?? bytes);
  return { ...inspected, model, digest: priorDigest({ ...inspected, model }) };
}

/** A backbone with random weights. @param prior { name, stem, imageSize } */
export async function makePrior({ name, stem, imageSize }, store) {
  const bytes = await createRandomPrior({
    kind: 'random',
    backbone: { name, stem },
    imageSize,
    channels: 3,
    seed: 0,
  });
  return registerPrior(bytes, store);
}
