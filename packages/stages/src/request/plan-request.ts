/** From a request for a job to its plan: looks up what it names and checks that it can run. */
import {
  type Dataset,
  DatasetManifest,
  fieldName,
  type JobCreate,
  type JobPlan,
  type Prior,
  ProblemError,
} from '@rela/contracts';
import type { TransferDataset } from '../evaluation-faults.js';
import { planJob } from '../plan.js';
import type { Catalogue, PlanDependencies } from './catalogue.js';
import { findDataset, findPrior } from './references.js';
import { findStarts } from './starts.js';

function notReady({ id, name, status, error }: Dataset): ProblemError {
  const what =
    status === 'failed'
      ? `failed: ${error ?? 'no reason given'}. Correct its source and create it again.`
      : `is ${status}: its images are still to be read. Send the job again when GET /v1/datasets/${id} says "ready".`;
  return new ProblemError('not-ready', `Dataset "${name}" (${id}) ${what}`);
}

export type ReadManifest = (digest: string) => Promise<DatasetManifest>;

export const manifestsIn =
  (store: Pick<PlanDependencies['store'], 'read'>): ReadManifest =>
  async (digest) =>
    DatasetManifest.parse(JSON.parse(new TextDecoder().decode(await store.read(digest))));

/** @throws ProblemError `not-found`, `not-ready`, and what `planJob` finds wrong */
export async function planRequest(
  { database, store }: PlanDependencies,
  request: JobCreate,
  readManifest = manifestsIn(store),
): Promise<JobPlan> {
  const dataset = await findDataset(database, request.dataset);
  const prior = typeof request.prior === 'string' ? await findPrior(database, request.prior) : null;
  const candidates: Prior[] = [];
  const blend: { prior: Prior; weight: number }[] = [];
  if (typeof request.prior === 'object' && 'blend' in request.prior)
    for (const { prior: reference, weight } of request.prior.blend)
      blend.push({ prior: await findPrior(database, reference), weight });
  if (typeof request.prior === 'object' && 'auto' in request.prior)
    for (const reference of request.prior.auto) candidates.push(await findPrior(database, reference));
  if (dataset.status !== 'ready' || dataset.digest === null) throw notReady(dataset);
  const manifest = await readManifest(dataset.digest);
  const starts = await findStarts({ database, store }, request, manifest);
  const transfers = await findTransfers({ database, readManifest }, request);
  return planJob(request, { dataset, manifest, prior, candidates, blend, starts, transfers });
}

/**
 * The data sets that runs are to be judged on beside their own, by the name that the request gives them.
 * @throws ProblemError as for the data set of the job, naming the field
 */
async function findTransfers(
  { database, readManifest }: { database: Pick<Catalogue, 'datasets'>; readManifest: ReadManifest },
  request: JobCreate,
): Promise<Map<string, TransferDataset>> {
  const found = new Map<string, TransferDataset>();
  for (const [run, { evaluation }] of request.runs.entries())
    for (const [index, reference] of (evaluation.transfer ?? []).entries()) {
      if (found.has(reference)) continue;
      try {
        const dataset = await findDataset(database, reference);
        if (dataset.status !== 'ready' || dataset.digest === null) throw notReady(dataset);
        const { name, digest } = dataset;
        found.set(reference, { name, digest, manifest: await readManifest(digest) });
      } catch (error) {
        if (!(error instanceof ProblemError) || error.code === 'unavailable') throw error;
        const field = fieldName(['runs', run, 'evaluation', 'transfer', index]);
        throw new ProblemError(error.code, error.detail, [{ field, message: error.detail }], {
          cause: error,
        });
      }
    }
  return found;
}
