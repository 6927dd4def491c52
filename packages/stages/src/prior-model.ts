/** A prior as an embedding worker needs it. */
import type { Prior, PriorModel } from '@rela/contracts';

export function priorModel(prior: Prior): PriorModel {
  const { digest, model, input, output, pool, batch, width, preprocessing } = prior;
  return { digest, model, input, output, pool, batch, width, preprocessing };
}
