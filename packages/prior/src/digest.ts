/** The digest that names a prior: equal digests give equal embeddings. */
import { createHash } from 'node:crypto';
import type { Digest, Preprocessing } from '@rela/contracts';

/**
 * Of model, output and preprocessing together.
 * @param prior.model digest of the ONNX file that runs, cut where a head was cut
 */
export function priorDigest(prior: { model: Digest; output: string; preprocessing: Preprocessing }): Digest {
  const { height, width, channels, layout, dtype, scale, mean, std } = prior.preprocessing;
  const preprocessing = [height, width, channels, layout, dtype, scale, mean, std];
  const content = JSON.stringify([prior.model, prior.output, preprocessing]);
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}
