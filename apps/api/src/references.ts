/** Finds what a request names; where there is no such thing, says so and names what was probably meant. */
import { type Dataset, type Job, nearest, type Prior, ProblemError, type Run } from '@rela/contracts';
import type { TenantDatabase } from '@rela/database';

/** As many names fit into a sentence. */
const NAMED = 8;

function unknown(kind: string, reference: string, names: string[]): ProblemError {
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
  { datasets }: Pick<TenantDatabase, 'datasets'>,
  reference: string,
): Promise<Dataset> {
  const dataset = await datasets.find(reference);
  if (!dataset) throw unknown('dataset', reference, await datasets.names());
  return dataset;
}

/** @throws ProblemError `not-found` naming the nearest prior */
export async function findPrior(
  { priors }: Pick<TenantDatabase, 'priors'>,
  reference: string,
): Promise<Prior> {
  const prior = await priors.find(reference);
  if (!prior) throw unknown('prior', reference, await priors.names());
  return prior;
}

/** @throws ProblemError `not-found` */
export async function findJob({ jobs }: Pick<TenantDatabase, 'jobs'>, id: string): Promise<Job> {
  const job = await jobs.get(id);
  if (!job) throw new ProblemError('not-found', `There is no job "${id}". GET /v1/jobs lists them.`);
  return job;
}

/** @throws ProblemError `not-found` */
export async function findRun({ runs }: Pick<TenantDatabase, 'runs'>, id: string): Promise<Run> {
  const run = await runs.get(id);
  if (!run)
    throw new ProblemError(
      'not-found',
      `There is no run "${id}". GET /v1/jobs/{id} lists the runs of a job.`,
    );
  return run;
}
