/** Finds the data sets and priors that a request names; where there is no such thing, says so and names what was probably meant. */
import { type Dataset, nearest, type Prior, ProblemError } from '@rela/contracts';
import type { Catalogue } from './catalogue.js';

/** As many names fit into a sentence. */
const NAMED = 8;

/** The problem that a request names what does not exist. `kind` is the singular of its collection, such as "dataset". */
export function unknownReference(kind: string, reference: string, names: string[]): ProblemError {
  const meant = nearest(reference, names);
  const known =
    names.length === 0
      ? `There are no ${kind}s yet; POST /v1/${kind}s makes one.`
      : `Known ${kind}s: ${names.slice(0, NAMED).join(', ')}${names.length > NAMED ? ', …' : ''}.`;
  return new ProblemError(
    'not-found',
    `There is no ${kind} "${reference}"${meant ? `; did you mean "${meant}"?` : '.'} ${known}`,
  );
}

/** @throws ProblemError `not-found` naming the nearest dataset */
export async function findDataset(
  { datasets }: Pick<Catalogue, 'datasets'>,
  reference: string,
): Promise<Dataset> {
  const dataset = await datasets.find(reference);
  if (!dataset) throw unknownReference('dataset', reference, await datasets.names());
  return dataset;
}

/** @throws ProblemError `not-found` naming the nearest prior */
export async function findPrior({ priors }: Pick<Catalogue, 'priors'>, reference: string): Promise<Prior> {
  const prior = await priors.find(reference);
  if (!prior) throw unknownReference('prior', reference, await priors.names());
  return prior;
}
